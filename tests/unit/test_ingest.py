"""What people count on when they hand in files."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import openpyxl
import polars as pl
import pytest
from malformed_feedback import as_csv, as_lines, good

from data.ingest import watching
from data.ingest.draining import drain_inbox
from data.ingest.folders import ingest_all
from data.ingest.inbox import Inbox
from data.ingest.ingestion import ingest_file
from data.ingest.mapping import Mapping
from data.ingest.replay import replay_all
from data.store import FeedbackStore, MarketStore
from sazon.errors import DataError, UserError


@pytest.fixture
def store(tmp_path):
    return FeedbackStore(tmp_path / "store")


def put(tmp_path, content, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def everything_under(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_rows_come_out_as_they_went_in(tmp_path, store):
    ingest_file(store, put(tmp_path, as_csv(good(0), good(1, rating="", sentiment="", tastes="acido| picante"))))
    first, second = store.rows().collect().to_dicts()
    assert first["created_at"] == datetime(2025, 7, 28, 13, 5, tzinfo=UTC)
    assert (first["rating"], first["region"], first["tastes"]) == (5, "Áncash", "picante|acido")
    assert (second["rating"], second["sentiment"], second["tastes"]) == (None, "", "picante|acido")
    assert first["ingested_at"] <= datetime.now(UTC) and first["batch"] == store.batches()[0].digest


def test_every_format_reads_alike(tmp_path, store):
    rows = [good(number) for number in range(3)]
    table = pl.DataFrame(rows).with_columns(pl.col("rating").cast(pl.Int64), pl.col("tastes").str.split("|"))
    table.write_parquet(tmp_path / "a.parquet")
    book = openpyxl.Workbook()
    for row in [list(rows[0]), *([*row.values()] for row in rows), [None] * 10]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert ingest_file(store, put(tmp_path, as_csv(*rows))).counts["accepted"] == 3
    for path in (put(tmp_path, as_lines(*rows), "a.jsonl"), tmp_path / "a.parquet", tmp_path / "a.xlsx"):
        assert ingest_file(store, path).counts["duplicates"] == 3, path


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("utf-8-sig", "UTF-8 with a byte order mark"),
        ("latin-1", "Latin-1"),
        ("cp1252", "Windows-1252"),
        ("cp850", "DOS code page 850"),
        ("mac_roman", "Mac OS Roman"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16 without a byte order mark"),
    ],
)
def test_the_encoding_is_found_and_said(tmp_path, store, codec, name):
    text = "Qué rico, señor: añejo, ácido, así nomás" + (" “bueno” – caro" if codec == "cp1252" else "")
    report = ingest_file(store, put(tmp_path, as_csv(good(text=text, region="Lima")).encode(codec)))
    assert report.encoding == name
    assert store.rows().collect()["text"].to_list() == [text]


def test_mojibake_is_repaired_and_good_text_left_alone(tmp_path, store):
    texts = ["Qué rico el ají".encode().decode("cp1252"), "“Bueno” — ½ porción… ﬁno &", "cafe\u0301"]
    ingest_file(store, put(tmp_path, as_csv(*(good(n, text=text) for n, text in enumerate(texts)))))
    assert store.rows().collect()["text"].to_list() == ["Qué rico el ají", texts[1], "café"]


def test_no_personal_data_is_kept_anywhere(tmp_path, store):
    secret = "escríbanme a rosa.quispe@correo.pe o al 987654321"
    rows = [good(0, text=secret), good(1, text=secret, region="Lime"), good(2, product=secret), good(3, channel=secret)]
    content = as_csv(*rows) + f'f9,"{secret}\n' + f"{secret},,,,,,,,,,,,,,\n"
    report = ingest_file(store, put(tmp_path, content))
    assert (report.counts["quarantined"], report.counts["rejected"]) == (3, 1)
    assert sum(report.redacted.values()) >= 10
    kept = (
        everything_under(store.folder)
        + "".join(str(pl.read_parquet(path).to_dicts()) for path in store.folder.rglob("*.parquet")).encode()
    )
    assert b"rosa.quispe" not in kept and b"987654321" not in kept


def test_the_same_file_twice_adds_nothing(tmp_path, store):
    path = put(tmp_path, as_csv(good(0), good(1), good(2, region="Lime")))
    first, again = ingest_file(store, path), ingest_file(store, path)
    assert again.known and again.counts["accepted"] == 0 and again.counts["duplicates"] == 2
    assert again.counts["rows"] == 3 and again.quarantine == first.quarantine
    assert len(store.batches()) == 1


def test_near_duplicates_are_kept_and_marked(tmp_path, store):
    text = "El ceviche estuvo riquísimo, bien picante, y la porción alcanzó para los dos sin problema"
    ingest_file(store, put(tmp_path, as_csv(good(0, text=text))))
    other = good(2, text="Pedimos lomo saltado con papas crocantes y tardaron una hora en traerlo a la mesa")
    report = ingest_file(store, put(tmp_path, as_csv(good(1, text=text.replace(",", "") + "!!"), other), "b.csv"))
    assert report.counts["accepted"] == 2 and report.counts["near_duplicates"] == 1
    found = dict(store.rows().collect().select("feedback_id", "near_duplicate_of").iter_rows())
    assert found == {"f0": None, "f1": "f0", "f2": None}


def test_quarantine_is_mended_and_replayed(tmp_path, store):
    path = put(tmp_path, as_csv(good(0), good(1, region="Lime", text="=1+1"), good(2, rating="9")) + "roto\n")
    report = ingest_file(store, path)
    lines = pl.read_csv(report.quarantine, infer_schema=False).to_dicts()
    assert [(line["row"], line["column"], line["value"]) for line in lines] == [
        ("2", "region", "Lime"),
        ("3", "rating", "9"),
        ("4", None, "roto\n"),
    ]
    assert lines[1]["reason"].startswith("is not a rating")
    assert lines[0]["text"] == "'=1+1"  # a spreadsheet must not run it
    lines[0]["region"] = "Lima"
    # As a spreadsheet of these parts saves it.
    mended = as_csv(*lines, delimiter=";", lineterminator="\r\n").encode("cp1252")
    report.quarantine.write_bytes(mended)
    (again,) = replay_all(store, near=False)
    assert {part: again.counts[part] for part in ("rows", "accepted", "quarantined", "rejected")} == {
        "rows": 3,
        "accepted": 1,
        "quarantined": 1,
        "rejected": 1,
    }
    assert store.rows().filter(pl.col("feedback_id") == "f1").collect()["text"].to_list() == ["=1+1"]
    (left,) = store.quarantine.glob("*.csv")
    assert pl.read_csv(left, infer_schema=False)["row"].to_list() == ["3", "4"]
    (nothing,) = replay_all(store, near=False)
    assert nothing.batch is None and left.exists() and len(store.batches()) == 2


def test_columns_and_values_are_mapped(tmp_path, store):
    path = put(tmp_path, "ID;Comentario;Fecha;Plato;Región\n7;Muy rico;2025-07-28;ceviche;LIMA\n")
    spec = put(
        tmp_path,
        "columns: {feedback_id: id, text: comentario, created_at: Fecha, product: Plato, region: Región}\n"
        "values: {region: {LIMA: Lima}}\nconstants: {channel: encuesta, category: plato}\n",
        "map.yaml",
    )
    assert ingest_file(store, path, Mapping.read(spec, store.kind)).counts["accepted"] == 1
    row = store.rows().collect().to_dicts()[0]
    assert (row["region"], row["channel"], row["text"]) == ("Lima", "encuesta", "Muy rico")


@pytest.mark.parametrize("content", ["columns: {texto: x}", "colums: {}", "- a", "columns: [", "values: {region: 3}"])
def test_a_wrong_map_is_refused_in_one_line(tmp_path, store, content):
    with pytest.raises(UserError) as caught:
        Mapping.read(put(tmp_path, content, "map.yaml"), store.kind)
    assert "map.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_goes_on_behind_a_bad_file(tmp_path, store):
    folder = tmp_path / "files"
    folder.mkdir()
    put(folder, "x", "a.csv"), put(folder, as_csv(good(0)), "b.csv"), put(folder, "x", ".hidden.csv")
    bad, fine = ingest_all(store, folder, Mapping(), near=False)
    assert "missing column" in bad.error and fine.counts["accepted"] == 1
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no file"):
        list(ingest_all(store, tmp_path / "none", Mapping(), near=False))


def test_a_delivery_that_replaces_a_file_during_its_ingest_is_taken_next(tmp_path, monkeypatch):
    store, folder = FeedbackStore(tmp_path / "home" / "feedback"), tmp_path / "drop"
    folder.mkdir()
    path = put(folder, as_csv(good(0)))
    put(tmp_path, as_csv(good(1, text="Otra entrega, muy dulce")), "later.csv")
    ingested = []

    def ingest_and_replace(*arguments, **options):
        ingested.append(ingest_file(*arguments, **options))
        if len(ingested) == 1:
            (tmp_path / "later.csv").rename(path)
        return ingested[-1]

    monkeypatch.setattr(watching, "ingest_file", ingest_and_replace)
    for sweep in (1, 2):
        found = list(watching.watch_folder(store, folder, Mapping(), near=False, stop=Event(), once=True))
        assert [report.counts["accepted"] for report in found if report] == [1]
        assert path.exists() == (sweep == 1)
    assert (folder / "done" / "a.csv").read_text() == as_csv(good(1, text="Otra entrega, muy dulce"))


def test_rows_are_read_by_time(tmp_path, store):
    ingest_file(store, put(tmp_path, as_csv(good(0), good(1, created_at="2025-07-29T00:00:00Z"))))
    before = datetime.now(UTC)
    ingest_file(store, put(tmp_path, as_csv(good(2, created_at="2025-07-30")), "b.csv"))
    day = datetime(2025, 7, 29, tzinfo=UTC)

    def ids(**bounds):
        return store.rows(**bounds).collect()["feedback_id"].to_list()

    assert ids(since=day) == ["f1", "f2"] and ids(until=day) == ["f0"]
    assert ids(since=day, until=day + timedelta(days=1)) == ["f1"]
    assert ids(ingested_by=before) == ["f0", "f1"]


def test_files_that_no_batch_lists_do_not_exist(tmp_path, store):
    ingest_file(store, put(tmp_path, as_csv(good(0))))
    stray = store.folder / "day=2025-07-28" / "stray.parquet"
    stray.write_bytes(b"half a fi")
    assert store.rows().collect().height == 1
    ingest_file(store, put(tmp_path, as_csv(good(1)), "b.csv"))
    assert not stray.exists()


def test_market_rows(tmp_path):
    store = MarketStore(tmp_path / "market")
    head = "date,product,region,search_index,units_sold,price_pen\n"
    rows = [
        "2025-07-28,ceviche,Lima,20,343,30.2",
        "2025-07-28,ceviche,Lima,21,343,30.2",
        "2025-08-04,ceviche,Lima,20,1,0",
    ]
    report = ingest_file(store, put(tmp_path, head + "\n".join([*rows, rows[0]]) + "\n"))
    assert [report.counts[part] for part in ("accepted", "duplicates", "quarantined")] == [1, 1, 2]
    assert store.rows().collect()["units_sold"].to_list() == [343]
    assert "other content" in report.quarantine.read_text(encoding="utf-8")


def test_the_inbox_is_drained_once(tmp_path, store):
    inbox = Inbox(tmp_path / "inbox.db")
    row = good(0, text="llámenme al 987654321")
    assert (inbox.put([row, good(1)]).accepted, inbox.put([row]).duplicates) == (2, 1)
    assert b"987654321" not in everything_under(tmp_path)
    assert drain_inbox(inbox, store, near=False).counts["accepted"] == 2
    assert drain_inbox(inbox, store, near=False) is None
    assert inbox.put([row]).duplicates == 1  # still known


def test_the_report_is_json(tmp_path, store):
    report = ingest_file(store, put(tmp_path, as_csv({**good(0), "notas": "x"})))
    shown = json.loads(json.dumps(report.as_dict()))
    assert shown["rows"] == 1 and shown["ignored_columns"] == ["notas"] and "UTF-8" in report.describe()


def test_standard_input(tmp_path, store, monkeypatch):
    class Stdin:
        buffer = io.BytesIO(as_csv(good(0)).encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    (report,) = ingest_all(store, Path("-"), Mapping(), near=False)
    assert report.source == "standard input" and report.counts["accepted"] == 1
