"""Tasks go out to Label Studio and to spreadsheets, answers come back."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

import pytest
from malformed_feedback import as_csv, good
from typer.testing import CliRunner

from data import SAMPLE
from data.ingest.ingestion import ingest_file
from data.labelling.book import Item, Label, LabelBook
from data.labelling.classifiers import ServedClassifier
from data.labelling.exchange import export_tasks, import_answers
from data.labelling.review import Review
from data.labelling.sheets import read_sheet
from data.store import FeedbackStore
from sazon.cli.jury import find_jury
from sazon.cli.main import app
from sazon.errors import DataError, ServingError, UserError
from sazon.schema import SENTIMENTS, TASTES
from sazon.settings import load_settings

ITEMS = [
    Item(
        "t1", "f1", "=HYPERLINK(1); ácido, «rico»\nsegunda línea", "ceviche", 2, "", "", "7", "positive", "acido", 0.9
    ),
    Item("t2", "f2", "Normal nomás", "pollo", 2, "", "", "7", "neutral", "", 0.5),
]


@pytest.fixture
def book(tmp_path):
    book = LabelBook(tmp_path / "labelling" / "labels.db")
    book.put(ITEMS)
    return book


def studio(task, *annotations):
    return {"id": 1, "data": {"task": task, "text": "…"}, "annotations": list(annotations), "predictions": []}


def annotation(who, sentiment, *tastes, **more):
    result = [
        {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": chosen}}
        for name, chosen in (("sentiment", [sentiment]), ("tastes", list(tastes)))
        if chosen
    ]
    return {"completed_by": who, "result": result, "was_cancelled": False, **more}


def put(tmp_path, content, name="export.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_tasks_for_label_studio_fit_their_interface(tmp_path):
    tasks, interface = export_tasks(tmp_path / "tasks.json", ITEMS)
    first, second = json.loads(tasks.read_text())
    assert first["data"] == {"task": "t1", "text": ITEMS[0].text, "product": "ceviche"}
    assert first["predictions"][0]["model_version"] == "7"
    assert [part["from_name"] for part in second["predictions"][0]["result"]] == ["sentiment"]
    view = ElementTree.parse(interface)
    offered = {box.get("name"): [one.get("value") for one in box] for box in view.iter("Choices")}
    assert offered == {"sentiment": list(SENTIMENTS), "tastes": list(TASTES)}
    for part in first["predictions"][0]["result"]:
        assert set(part["value"]["choices"]) <= set(offered[part["from_name"]])
    text = view.find("Text")
    assert (text.get("name"), text.get("value")) == ("text", "$text")


def test_an_export_of_several_annotators_comes_in_once(book, tmp_path):
    path = put(
        tmp_path,
        [
            studio(
                "t1",
                annotation({"id": 3, "email": "ana@sazon.pe"}, "positive", "acido", "picante"),
                annotation(4, "positive", "picante", "acido"),
            ),
            studio(
                "t2",
                annotation(4, "negative", updated_at="2025-07-28T12:00:00Z"),
                annotation(4, "neutral", updated_at="2025-07-28T11:00:00Z"),
                annotation(5, "neutral", was_cancelled=True),
            ),
        ],
    )
    done = import_answers(book, path)
    assert (done.new, done.changed, done.problems) == (3, 0, [])
    assert Review.of(book).labels() == {"f1": Label("positive", ("picante", "acido"))}
    assert {one.annotator for one in book.annotations()} == {"ana@sazon.pe", "4"}
    assert [one.label.sentiment for one in book.annotations() if one.task == "t2"] == ["negative"], "the latest"
    again = import_answers(book, path)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 3)


@pytest.mark.parametrize("style", ["as written", "semicolons in Windows-1252"])
def test_a_sheet_comes_back_as_spreadsheets_save_it(book, tmp_path, style):
    (path,) = export_tasks(tmp_path / "sheet.csv", ITEMS)
    content = path.read_text(encoding="utf-8-sig")
    assert "\n=" not in content and ",=" not in content and '"=' not in content, "no formula"
    filled = content.replace(",,,\n", ",José Ñ,Negative,acido| dulce\n", 1).replace(",,\n", ",,\n")
    if style != "as written":
        path.write_text("task;annotator;sentiment;tastes\nt1;José Ñ;Negative;acido| dulce\nt2;;;\n", encoding="cp1252")
    else:
        path.write_text(filled, encoding="utf-8-sig")
    done = import_answers(book, path)
    assert (done.new, done.blank, done.problems) == (1, 1, [])
    (one,) = book.annotations()
    assert (one.annotator, one.label) == ("José Ñ", Label("negative", ("dulce", "acido")))


def test_bad_rows_are_named_and_the_good_ones_taken(book, tmp_path):
    rows = ["t1,ana,positivo,", "t1,,positive,", "t1,beto,positive,dulce|agrio", "x9,ana,neutral,", "t2,ana,neutral,"]
    done = import_answers(book, put(tmp_path, "task,annotator,sentiment,tastes\n" + "\n".join(rows), "a.csv"))
    assert done.new == 1
    assert [line.split(":")[0] for line in done.problems] == [
        "a.csv, row 1, sentiment", "a.csv, row 2, annotator", "a.csv, row 3, tastes", "a.csv, row 4, task",
    ]  # fmt: skip
    assert not any("\n" in line for line in done.problems)


@pytest.mark.parametrize(
    "task",
    [
        "x",
        1,
        {},
        {"annotations": None},
        studio("t1", {"completed_by": 1}),
        None,
        studio("t1", annotation("\ud800", "neutral")),
        studio("t1", annotation(1, "a\nb")),
        studio("t1", annotation(1, "neutral", {})),
    ],
)
def test_what_is_no_annotation_is_a_problem_in_a_line(book, tmp_path, task):
    done = import_answers(book, put(tmp_path, [task, studio("t2", annotation(1, "neutral"))]))
    assert (done.new, len(done.problems)) == (1, 1)
    assert done.problems[0].encode().isascii() and "\n" not in done.problems[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "not readable as JSON"),
        ("a.json", "{}", "not a list of tasks"),
        ("a.csv", "task,sentiment\nt1,positive\n", "missing column annotator, tastes"),
        ("a.csv", "", "has no header"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_a_line(book, tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        import_answers(book, put(tmp_path, content, name))


def test_endings_and_absent_files(book, tmp_path):
    with pytest.raises(UserError, match="unknown"):
        export_tasks(tmp_path / "a.xlsx", ITEMS)
    with pytest.raises(DataError, match="no such file"):
        read_sheet(tmp_path / "none.csv", ())


class _Server(BaseHTTPRequestHandler):
    def do_GET(self):
        states = [{"version": "7", "state": "AVAILABLE"}, {"version": "8", "state": "LOADING"}]
        self._say({"model_version_status": states})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/models/taste/versions/7:predict"
        row = {"sentiment": "neutral", "sentiment_probs": [0.2, 0.5, 0.3], "tastes": "dulce|acido"}
        self._say({"predictions": [row | {"taste_probs": [0.1] * 10}] * len(body["instances"])})

    def _say(self, answer):
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def model_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_served_model_is_asked_in_batches_over_http(model_server):
    served = ServedClassifier(model_server)
    answers = served.predict(["rico"] * 130)
    assert served.version == 7
    assert answers.sentiment_probs.shape == (130, 3) and answers.taste_probs.shape == (130, 10)
    assert answers.tastes[0] == ("dulce", "acido")


def test_labelled_rows_give_the_served_model_a_rival(model_server, tmp_path, monkeypatch):
    monkeypatch.setenv("SAZON_SERVING__REST_PORT", "1")
    few, many = FeedbackStore(tmp_path / "few"), FeedbackStore(tmp_path / "many")
    ingest_file(few, put(tmp_path, as_csv(good(0), good(1, sentiment="negative")), "few.csv"))
    lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    ingest_file(many, put(tmp_path, "".join(lines[:301]), "many.csv"), near=False)
    jury = find_jury(load_settings(home=tmp_path), many, model_server)
    assert jury.name == "7"
    assert jury.rival.predict(["Qué rico el ceviche"]).sentiment_probs.sum() == pytest.approx(1)
    assert find_jury(load_settings(home=tmp_path), few, model_server).rival is None
    assert find_jury(load_settings(home=tmp_path), few, None) is None, "nothing served, nothing registered"
    with pytest.raises(ServingError, match="no answer from a model server"):
        find_jury(load_settings(home=tmp_path), few, "http://127.0.0.1:1")


def test_the_commands_go_round(tmp_path, monkeypatch):
    monkeypatch.setenv("SAZON_HOME", str(tmp_path / "home"))
    rows = [good(n, text=text, sentiment="", tastes="") for n, text in enumerate(("Rico el pollo", "Feo ceviche"))]
    ingest_file(FeedbackStore(tmp_path / "home" / "feedback"), put(tmp_path, as_csv(*rows), "rows.csv"))

    def sazon(*arguments, code=0):
        done = CliRunner().invoke(app, ["label", *map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.stdout

    queued = json.loads(sazon("queue", "--no-guess", "--json"))
    assert {line["feedback_id"] for line in queued} == {"f0", "f1"}
    assert "2 texts wait" in sazon("queue", "--size", 0)
    sazon("gold", "--add", put(tmp_path, "text,sentiment\nQué delicia,positive\n", "gold.csv"))
    made = json.loads(sazon("export", tmp_path / "t.csv", "--gold", 0.5, "--annotator", "ana", "--json"))
    assert (made["texts"], made["gold"]) == (2, 1)
    answers = (tmp_path / "t.csv").read_text(encoding="utf-8-sig").replace(",ana,,", ",ana,positive,dulce")
    assert "3 new" in sazon("import", put(tmp_path, answers, "t.csv"))
    tie = f"task,annotator,sentiment,tastes\n{queued[0]['task']},beto,negative,\n"
    sazon("import", put(tmp_path, tie, "tie.csv"))
    assert "1 tied" in sazon("status")
    last = json.loads(
        sazon("import", put(tmp_path, tie.replace("beto", "rosa"), "r.csv"), "--adjudicator", "rosa", "--json")
    )
    assert (last["new"], last["settled"]) == (1, 1)
    figures = json.loads(sazon("status", "--json"))
    assert (figures["settled"], figures["waiting"], figures["agreement"]["texts"]) == (1, 1, 1)
    standings = {line["name"]: line for line in json.loads(sazon("gold", "--json"))}
    assert standings["ana"]["accuracy"] == 1 and standings["rosa"]["adjudicates"]
    assert "row 1, sentiment" in _stderr("import", put(tmp_path, tie.replace("negative", "feo"), "bad.csv"))


def _stderr(*arguments):
    done = CliRunner().invoke(app, ["label", *map(str, arguments)])
    assert done.exit_code == 2
    return done.stderr
