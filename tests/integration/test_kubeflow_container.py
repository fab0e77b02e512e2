"""Compiled tasks as processes, under what Kubeflow's launcher does to them."""

import json
import sys

import easy_feedback
import pytest
from kfp_launcher import Launcher

from sazon.cluster import STATE_PATH
from sazon.processes import Processes, answers, free_port
from sazon.settings import load_settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

TRAINING = {"learning_rate": 0.003, "patience": 20, "token_dropout": 0.0, "least_steps": 200}


@pytest.fixture(scope="module")
def launcher(tmp_path_factory):
    """The real graph, compiled on 300 rows, with its claim; nothing ran yet."""
    from pipelines.run_kubeflow import compile_pipeline

    folder = tmp_path_factory.mktemp("kubeflow")
    easy_feedback.easy_rows(300).to_csv(folder / "feedback.csv", index=False)
    settings = load_settings(
        home=folder / "compiling", preset="tiny", train=TRAINING, gates={"above_majority": 0.0, "below_baseline": 1.0}
    )
    compiled = compile_pipeline(folder / "feedback.csv", settings)
    compiled.paths.copy_files(folder / "claim")
    return Launcher(
        compiled.ir,
        folder,
        environment={"SAZON_MLFLOW__TRACKING_URI": "http://127.0.0.1:9", "SAZON_HOME": str(folder / "claim")},
        mounts={STATE_PATH: folder / "claim"},
    )


def read_report(launcher, task, key):
    path = launcher.stored(launcher.outputs[task][key]["uri"]) / "report.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_no_path_of_the_compiling_machine_is_left(launcher):
    assert str(launcher.folder) not in json.dumps(launcher.spec)


def test_data_come_from_the_claim_and_go_from_task_to_task(launcher):
    launcher.run("ExampleGen", "TrainBaselines")
    examples = launcher.outputs["ExampleGen"]["examples"]
    assert examples["uri"].startswith("minio://mlpipeline/v2/artifacts/taste-training/")
    assert json.loads(examples["metadata"]["split_names"]) == ["train", "eval", "test"]
    assert examples["metadata"]["input_fingerprint"].startswith("split:train")
    assert examples["metadata"]["custom:span"] == 0.0
    assert set(read_report(launcher, "TrainBaselines", "reports")["reports"]) == {"tfidf_logistic", "random_forest"}


@pytest.fixture
def mlflow_server(tmp_path):
    """A real one, which the containers reach by HTTP only."""
    servers, port = Processes(tmp_path / "logs"), free_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "sazon.cli.main", "mlflow", "--port", str(port)]
    servers.start("mlflow", command, {"SAZON_HOME": str(tmp_path / "registry")})
    try:
        servers.wait_until("mlflow", lambda: answers(f"http://127.0.0.1:{port}/health"), timeout_s=120)
        yield f"http://127.0.0.1:{port}"
    finally:
        servers.stop()


@pytest.mark.slow
def test_the_whole_graph_trains_registers_and_rolls_out(launcher, mlflow_server, tmp_path):
    from sazon.registry import Registry
    from serving.rollout.publishing import verify

    launcher.environment["SAZON_MLFLOW__TRACKING_URI"] = mlflow_server
    launcher.run()
    outcome = read_report(launcher, "RollOut", "rollout")
    assert (outcome["version"], outcome["status"], outcome["rolled_out"]) == (1, "blessed", True)
    assert launcher.outputs["FetchChampion"]["champion"]["metadata"]["version"] == 0.0
    assert launcher.outputs["Evaluator"]["blessing"]["metadata"]["blessed"] == 1.0
    champion = Registry(mlflow_server).with_alias("champion")
    assert champion is not None
    assert champion.number == 1
    verify(launcher.folder / "claim" / "served" / "taste" / "1")
    assert read_report(launcher, "MaterializeFeatures", "materialized")
    for task, outputs in launcher.outputs.items():
        assert str(tmp_path) not in json.dumps(outputs), task
