"""From a file to a served answer: a two-layer model on easy rows, in the order that a user goes."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

COMPONENTS = {
    "ExampleGen", "StatisticsGen", "ImportSchemaGen", "ExampleValidator", "CheckAnomalies", "Transform", "Trainer",
    "TrainBaselines", "Evaluator", "FetchChampion", "JudgeModel", "RegisterModel", "MaterializeFeatures", "RollOut",
}  # fmt: skip


@pytest.fixture(scope="module")
def summary(sazon, easy_file):
    """`sazon up --once` on an empty state."""
    return sazon.json("up", "--data", easy_file, "--once")


def test_every_component_ran_and_the_version_is_blessed(summary):
    training = summary["training"]
    assert {step["name"] for step in training["steps"]} >= COMPONENTS
    assert not any(step["cached"] for step in training["steps"])
    assert (training["version"], training["status"], training["rolled_out"]) == (1, "blessed", True)
    assert "above the majority class" in training["reason"]
    assert set(training["figures"]) == {"taste", "tfidf_logistic", "random_forest"}


def test_the_served_version_answers_alike_everywhere(summary, sazon):
    assert summary["version"] == 1
    rest, grpc = summary["answers"]["rest"], summary["answers"]["grpc"]
    gateway = summary["answers"]["gateway"]["predictions"][0]
    code = (
        "import sys, json, mlflow, pandas as pd\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model('models:/taste@champion')\n"
        "print(model.predict(pd.DataFrame({'text': [sys.argv[2]]})).to_json(orient='records', double_precision=15))"
    )
    uri = f"sqlite:///{sazon.home / 'mlflow' / 'mlflow.sqlite'}"
    text = summary["prediction"]["text"]
    done = subprocess.run([sys.executable, "-c", code, uri, text], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout.strip().splitlines()[-1])[0]
    for name in ("sentiment_probs", "taste_probs"):
        np.testing.assert_allclose(rest[name], loaded[name], atol=1e-5)
        np.testing.assert_allclose(grpc[name], loaded[name], atol=1e-5)
        np.testing.assert_allclose(list(gateway[name].values()), loaded[name], atol=1e-5)
    assert rest["sentiment"] == grpc["sentiment"] == gateway["sentiment"] == loaded["sentiment"]


def test_the_metrics_counted_the_question_and_the_features_were_read(summary):
    counted = [value for name, value in summary["metrics"].items() if "/api/v1/predict" in name]
    assert counted == [1.0]
    assert summary["answers"]["gateway"]["context"]["volume_30d"] > 0


def test_an_answer_leads_back_to_the_bytes_that_were_trained_on(summary, sazon, easy_file, tmp_path):
    training = summary["training"]
    chain = sazon.json("lineage", summary["answers"]["gateway"]["prediction_id"])
    assert chain["missing"] == [] or [line.split(":")[0] for line in chain["missing"]] == ["code revision"]
    assert (chain["prediction"]["version"], chain["prediction"]["role"]) == (1, "champion")
    assert (chain["version"]["number"], chain["run"]["run_id"]) == (training["version"], training["run_id"])
    assert {one["name"] for one in chain["pipeline"]["executions"]} == COMPONENTS
    assert chain["data"]["digest"] == training["data"]["digest"]
    assert (chain["data"]["sources"], chain["data"]["rows"]) == ([easy_file.name], 900)
    assert not (sazon.home / "versions" / chain["data"]["digest"]).exists(), "DVC has it"
    sazon.run("data", "checkout", chain["data"]["digest"][:12], "--out", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == easy_file.read_bytes()


def test_the_second_run_reuses_every_costly_step(summary, sazon, easy_file):
    again = sazon.json("train", "--data", easy_file)
    fresh = {step["name"] for step in again["steps"] if not step["cached"]}
    assert fresh == {"Validate", "Prepare", "MaterializeFeatures", "RegisterModel", "RollOut"}
    assert again["version"] == 1
    assert [version["aliases"] for version in sazon.json("versions")] == [["champion"]]


def test_evaluate_measures_the_champion(summary, sazon, easy_file):
    figures = sazon.json("evaluate", "--data", easy_file, "--model", "models:/taste@champion")
    assert figures["model"] == "models:/taste/1"
    assert figures["rows"] == 900
    assert 0.5 < figures["macro_f1"] <= 1
    assert set(figures["per_class"]) == {"negative", "neutral", "positive"}
    assert figures["tastes"]["per_label"]["picante"] > 0.5
    _, errors = sazon.run("evaluate", "--data", easy_file, "--model", "models:/taste/99", code=1)
    assert errors.strip() == "error: models:/taste/99 is not in the registry (see: sazon versions)"


def test_ctrl_c_stops_every_server(summary, sazon, easy_file):
    child = sazon.start("up", "--data", easy_file)
    for line in child.stderr:
        if "Ctrl-C stops everything" in line:
            break
    children = subprocess.run(
        ["pgrep", "-P", str(child.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(children) == 3
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 0
    left = subprocess.run(["ps", "-o", "pid=", "-p", ",".join(children)], capture_output=True, text=True, check=False)
    assert left.stdout.strip() == ""
