import gzip
import json

import pandas as pd
import pytest

from models.pretraining.corpus import corpus_digest, read_texts
from sazon.errors import UserError

TEXTS = ["Rico el ceviche, «bien» picante", "año ñandú 😋", "dos, tres"]


def write_txt(path):
    path.write_text("\ufeff" + "\n\n".join([f"  {text} " for text in TEXTS]) + "\r\n", encoding="utf-8")


def write_gzip(path):
    path.write_bytes(gzip.compress("\n".join(TEXTS).encode()))


def write_csv(path):
    pd.DataFrame({"id": [1, 2, 3, 4], "text": [*TEXTS, None]}).to_csv(path, index=False)


def write_jsonl(path):
    rows = [{"text": text} for text in [*TEXTS, None]]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


def write_parquet(path):
    pd.DataFrame({"text": [*TEXTS, None], "id": range(4)}).to_parquet(path)


KINDS = {
    "a.txt": write_txt,
    "a.txt.gz": write_gzip,
    "a.csv": write_csv,
    "a.jsonl": write_jsonl,
    "a.parquet": write_parquet,
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_the_same_texts(tmp_path, name):
    KINDS[name](tmp_path / name)
    assert [text for batch in read_texts([tmp_path / name]) for text in batch] == TEXTS


def test_files_are_read_one_after_the_other_in_batches(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("\n".join(f"{name} {number}" for number in range(6000)))
    batches = list(read_texts([tmp_path / "a.txt", tmp_path / "b.txt"]))
    assert max(map(len, batches)) < 6000
    texts = [text for batch in batches for text in batch]
    assert len(texts) == 12_000 and texts[5999:6001] == ["a.txt 5999", "b.txt 0"]


def test_a_csv_cell_may_hold_line_breaks(tmp_path):
    (tmp_path / "a.csv").write_text('text\n"una\ndos"\n')
    assert list(read_texts([tmp_path / "a.csv"])) == [["una\ndos"]]


def test_the_digest_is_of_the_content(tmp_path):
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("hola")
    two.write_text("hola")
    assert corpus_digest([one]) == corpus_digest([two])
    two.write_text("hola!")
    assert corpus_digest([one]) != corpus_digest([two])


def truncated_gzip() -> bytes:
    return gzip.compress("\n".join(f"texto {n}" for n in range(1000)).encode())[:200]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"review\nhola\n", 'no column "text"'),
        ("a.jsonl", b'{"review": "hola"}\n', 'no column "text"'),
        ("a.jsonl", b'{"text": "hola"\n', "damaged"),
        ("a.jsonl", b'["hola"]\n', "no object"),
        ("a.parquet", b"hola", "damaged"),
        ("a.txt", b"\xff\xfe\x00", "not text in UTF-8"),
        ("a.txt.gz", b"hola", "damaged"),
        ("a.txt.gz", truncated_gzip(), "damaged"),
        ("a.pdf", b"hola", "ending"),
        ("corpus", b"hola", "ending"),
    ],
)
def test_a_file_that_is_no_corpus_is_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        list(read_texts([tmp_path / name]))
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no\.txt: no such file"):
        corpus_digest([tmp_path / "no.txt"])
    with pytest.raises(UserError, match="a folder, name the files"):
        corpus_digest([tmp_path])


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_rows_kept_for_eval_and_test_are_left_out(tmp_path, ending):
    rows = pd.DataFrame({"text": ["uno", "dos", "tres", "cuatro"], "split": ["train", "eval", "test", ""]})
    path = tmp_path / f"rows{ending}"
    if ending == ".csv":
        rows.to_csv(path, index=False)
    elif ending == ".jsonl":
        rows.to_json(path, orient="records", lines=True)
    else:
        rows.to_parquet(path)
    assert [text for batch in read_texts([path]) for text in batch] == ["uno", "cuatro"]
