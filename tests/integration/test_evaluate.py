"""`sazon evaluate` on a registered model and on files that somebody else made."""

import json
import subprocess
import sys

import mlflow
import pandas as pd
import pytest
from typer.testing import CliRunner

from models.registration.judged_model import register_judged_model
from sazon.cli.main import app
from sazon.errors import UserError
from sazon.registry import Registry

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def registry_uri(tmp_path_factory, saved_model, judged):
    folder = tmp_path_factory.mktemp("evaluate")
    uri = f"sqlite:///{folder / 'mlflow.sqlite'}"
    mlflow.set_tracking_uri(uri)
    registry = Registry(uri)
    registry.ensure_experiment("taste", (folder / "artifacts").as_uri())
    register_judged_model(saved_model, judged, "taste", {"data_digest": "abc"})
    registry.set_alias("champion", 1)
    return uri


@pytest.fixture
def settings(registry_uri, tmp_path, monkeypatch):
    monkeypatch.setenv("SAZON_MLFLOW__TRACKING_URI", registry_uri)
    monkeypatch.setenv("SAZON_HOME", str(tmp_path / "home"))


@pytest.fixture
def evaluate(settings):
    """Runs the command in this process; its stdout, or the error that it ends with."""

    def evaluate(*arguments):
        done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
        return done.exception or done.stdout

    return evaluate


@pytest.fixture
def tweets(tmp_path):
    """A file with the two columns that are asked for, and one to slice by."""
    words = {"positive": "rico", "negative": "feo", "neutral": "normal"}
    rows = [
        {"text": f"{word} {number}", "sentiment": name, "channel": "redes"}
        for number in range(15)
        for name, word in words.items()
    ]
    path = tmp_path / "tweets.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_any_labelled_file_is_measured_from_every_side(settings, tweets):
    options = ("--against", "tfidf_logistic", "--train", tweets, "--errors", "3", "--behaviour", "--json")
    command = [
        sys.executable,
        "-m",
        "sazon.cli.main",
        "evaluate",
        "--data",
        tweets,
        "--model",
        "models:/taste@champion",
    ]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["model"], result["rows"], result["tastes"]) == ("models:/taste/1", 45, None)
    assert set(result["per_class"]) == {"negative", "neutral", "positive"}
    assert result["slices"]["channel=redes"]["rows"] == 45
    assert result["sentiment"]["unscaled"]["error"] >= 0
    assert result["comparison"]["against"] == "tfidf_logistic"
    assert result["comparison"]["difference"]["value"] < -0.3  # random weights against fitted ones
    assert result["comparison"]["p_value"] < 0.01
    assert len(result["mistakes"]) == 3
    assert result["behaviour"]["hard"]["sentiment"]["rows"] == 300


def test_people_get_tables(evaluate, tweets):
    shown = evaluate("--data", tweets, "--against", "models:/taste/1", "--errors", 2, "--behaviour")
    for words in ("taste/1", "calibration error", "p = 1.0000", "negation", "phenomenon=irony", "labelled"):
        assert words in shown


def test_what_does_not_fit_is_one_line(evaluate, tweets, tmp_path):
    for arguments, message in (
        (("--against", "tfidf_logistic"), "--against tfidf_logistic needs labelled rows to fit it on: --train F"),
        (("--against", "bert"), '"bert" is not a model'),
    ):
        error = evaluate("--data", tweets, *arguments)
        assert isinstance(error, UserError) and str(error).startswith(message)
        assert "\n" not in str(error)
    alike = tmp_path / "alike.csv"
    pd.read_csv(tweets).assign(sentiment="positive").to_csv(alike, index=False)
    error = evaluate("--data", tweets, "--against", "tfidf_logistic", "--train", alike)
    assert str(error) == "alike.csv: one class only (positive); two sentiments are needed"
