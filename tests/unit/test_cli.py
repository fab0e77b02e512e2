import json
import subprocess
import sys

import pytest


def sazon(*arguments, **options):
    command = [sys.executable, "-m", "sazon.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


def test_help_imports_nothing_heavy():
    code = (
        "import sys, sazon.cli.main\n"
        "heavy = {'tensorflow', 'mlflow', 'pandas', 'tfx', 'feast', 'keras', 'flask', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help():
    for command in ("up", "train", "evaluate", "versions", "serve", "app", "mlflow", "data"):
        done = sazon(command, "--help")
        assert done.returncode == 0
        assert "Usage" in done.stdout


def test_validate_reports_every_bad_row_and_exits_2(feedback_file):
    path = feedback_file({}, {"region": "Atlantis", "text": ""}, {"rating": "9"})
    done = sazon("data", "validate", path)
    assert done.returncode == 2
    assert "row 2, column region" in done.stdout
    assert "row 2, column text" in done.stdout
    assert "row 3, column rating" in done.stdout
    as_json = json.loads(sazon("data", "validate", path, "--json").stdout)
    assert (as_json["rows"], as_json["bad_rows"], len(as_json["problems"])) == (3, 2, 3)


def test_validate_accepts_a_good_file(feedback_file):
    done = sazon("data", "validate", feedback_file({}, {}))
    assert (done.returncode, done.stdout) == (0, "feedback.csv: 2 rows, all good\n")


BAD_FILES = {
    "missing column": ({"drop": ("region",)}, "missing column region"),
    "unknown region": ({"change": {"region": "Atlantis"}}, "row 2, column region"),
    "empty text": ({"change": {"text": ""}}, "row 2, column text"),
    "duplicate id": ({"change": {"feedback_id": "f1"}}, "row 2, column feedback_id"),
    "bad date": ({"change": {"created_at": "31/31/2025"}}, "row 2, column created_at"),
    "empty file": ({"content": b""}, "the file is empty"),
    "binary file": ({"content": bytes(range(256)) * 8}, "binary file"),
    "no file": ({"content": None}, "no such file"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_training_on_a_bad_file_is_one_line_exit_2_and_no_trace(case, feedback_file, tmp_path, monkeypatch):
    how, message = BAD_FILES[case]
    home = tmp_path / "state"
    monkeypatch.setenv("SAZON_HOME", str(home))
    path = tmp_path / "feedback.csv"
    if "content" not in how:
        feedback_file({}, how.get("change", {}), drop=how.get("drop", ()))
    elif how["content"] is not None:
        path.write_bytes(how["content"])
    done = sazon("train", "--data", path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert not home.exists()


def test_too_few_labelled_rows_say_how_many_are_needed(feedback_file):
    done = sazon("train", "--data", feedback_file({}, {"text": "otro"}))
    assert done.returncode == 2
    assert "at least 60 are needed" in done.stderr


def test_an_empty_registry_is_said_and_not_made(tmp_path, monkeypatch):
    monkeypatch.setenv("SAZON_HOME", str(tmp_path / "state"))
    assert "no version is registered yet" in sazon("versions").stdout
    assert not (tmp_path / "state").exists()


def test_a_wrong_setting_is_one_line():
    done = sazon("versions", env={"SAZON_TRIAN__EPOCHS": "3", "PATH": ""})
    assert done.returncode == 2
    assert done.stderr.strip() == "error: environment variable SAZON_TRIAN__EPOCHS is not a setting of Sazón"
