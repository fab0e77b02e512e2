"""Sweeps of a two-layer model on sixty rows: what a data scientist finds in MLflow, and that a sweep goes on."""

import json
import os
import shutil
import signal
from pathlib import Path

import mlflow
import optuna
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from data.preparation import Dataset, prepare_dataset
from models.sweeps import run as sweeping
from models.sweeps.log import EXPERIMENT, Interrupted
from models.sweeps.material import Material
from models.training.recipe import complete
from sazon.cli.main import app
from sazon.errors import PipelineError
from sazon.settings import Settings, load_settings

WORDS = {"positive": "rico buenazo", "negative": "feo horrible", "neutral": "normal regular"}

SPACE = {"batch_size": [32, 64], "epochs": [2], "rdrop": [0.0]}


@pytest.fixture
def feedback(tmp_path, monkeypatch, empty_mlflow) -> Path:
    """Ninety-six rows with splits of their own, and a sazon.yaml for a tiny model."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for number in range(96):
        sentiment = tuple(WORDS)[number % 3]
        rows.append(
            {
                "feedback_id": f"e{number}",
                "created_at": f"2025-03-{1 + number % 28:02d}T12:00:00Z",
                "text": f"el ceviche {WORDS[sentiment].split()[number % 2]} {number}",
                "product": "ceviche",
                "category": "plato",
                "region": "Lima",
                "channel": "app",
                "rating": "",
                "sentiment": sentiment,
                "tastes": "picante" if number % 2 else "",
                "split": "train" if number < 60 else "eval" if number < 78 else "test",
            }
        )
    pd.DataFrame(rows).to_csv(tmp_path / "feedback.csv", index=False)
    settings = {
        "encoder": {"layers": 2, "hidden": 16, "heads": 2, "intermediate": 32, "vocabulary": 300, "max_tokens": 32},
        "preset": "tiny",
        "sweep": {"space": {name: {"choices": values} for name, values in SPACE.items()}},
        "train": {"precision": "float32"},
    }
    (tmp_path / "sazon.yaml").write_text(yaml.safe_dump(settings))
    database = load_settings().state.mlflow_db
    database.parent.mkdir(parents=True)
    shutil.copy(empty_mlflow, database)
    return tmp_path / "feedback.csv"


def prepared(feedback: Path, trials: int) -> tuple[Dataset, Settings]:
    settings = load_settings(train={"epochs": 2, "least_steps": 0}, sweep={"trials": trials})
    return prepare_dataset(feedback, settings.state.datasets, settings.split), settings


def runs_of(settings: Settings, parent_id: str):
    client = mlflow.MlflowClient(settings.tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent_id}'")
    return client, client.get_run(parent_id), sorted(found, key=lambda run: int(run.data.tags["trial"]))


def test_a_sweep_is_compared_in_mlflow_and_gives_settings_to_train_with(feedback, monkeypatch):
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: trial.number == 2)
    dataset, settings = prepared(feedback, 3)
    dataset.parquet("test").unlink()  # a sweep that looked at it would fail
    command = ["sweep", "--data", str(feedback), "--trials", "3", "--epochs", "2", "--name", "mine", "--json"]
    done = CliRunner().invoke(app, [*command, "--write", "best.yaml"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["states"] == {"complete": 2, "pruned": 1, "failed": 0}
    client, parent, children = runs_of(settings, result["run_id"])
    assert [run.data.tags["state"] for run in children] == ["complete", "complete", "pruned"]
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
    usual = complete(settings.train, settings.encoder, pretrained=False)
    assert children[0].data.params["train.learning_rate"] == str(usual.learning_rate)
    assert len(client.get_metric_history(children[0].info.run_id, "eval_score")) == 2
    best = max(run.data.metrics["best_eval_score"] for run in children[:2])
    assert parent.data.metrics["best_eval_score"] == result["best"][0]["score"] == best
    assert (parent.data.tags["data_digest"], parent.data.tags["sweep"]) == (dataset.digest, "mine")
    assert parent.data.params["space.batch_size"] == '{"choices": [32, 64]}'
    artifacts = {artifact.path for artifact in client.list_artifacts(result["run_id"])}
    assert artifacts == {"best.yaml", "history.png", "parallel.png"}
    Path("best.yaml").rename("sazon.yaml")
    trained = load_settings()
    assert trained.train.learning_rate == result["best"][0]["values"]["learning_rate"]
    assert (trained.preset, trained.encoder, trained.train.least_steps) == ("tiny", settings.encoder, 0)


def test_ctrl_c_ends_cleanly_and_the_same_call_goes_on_in_the_same_run(feedback, monkeypatch):
    dataset, settings = prepared(feedback, 2)
    log_epoch = sweeping.log_epoch

    def interrupt(epoch):
        log_epoch(epoch)
        if mlflow.active_run().info.run_name == "trial 2":
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(sweeping, "log_epoch", interrupt)
    with pytest.raises(Interrupted):
        sweeping.sweep(dataset, settings, "mine")
    assert mlflow.active_run() is None
    monkeypatch.setattr(sweeping, "log_epoch", log_epoch)
    result = sweeping.sweep(dataset, settings, "mine")
    assert result.states == {"complete": 2, "pruned": 0, "failed": 1}
    _, parent, children = runs_of(settings, result.run_id)
    assert [run.info.status for run in [parent, *children]] == ["FINISHED", "FINISHED", "KILLED", "FINISHED"]
    assert [run.data.tags["state"] for run in children] == ["complete", "failed", "complete"]
    assert children[1].data.params == children[2].data.params


def test_a_sweep_whose_trials_all_fail_stops_and_says_why(feedback, monkeypatch):
    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(Material, "fit", fail)
    dataset, settings = prepared(feedback, 20)
    with pytest.raises(PipelineError, match="3 trials failed one after another, the last with: MemoryError: no room"):
        sweeping.sweep(dataset, settings, "mine")
    experiment = mlflow.MlflowClient(settings.tracking_uri).get_experiment_by_name(EXPERIMENT)
    runs = mlflow.MlflowClient(settings.tracking_uri).search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FAILED"] * 4
