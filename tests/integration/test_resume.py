"""A training that is killed goes on from its last checkpoint and ends where the unbroken one ends."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from models.inputs.example_store import ExampleStore, TokenisedRows

pytestmark = pytest.mark.integration


def train(folder: Path, state: Path, result: Path, address: str | None = None) -> None:
    """The body of a child; `address`: of the store that keeps its state."""
    from models.training.fitting import Observer, Trainer
    from models.training.state import TrainingState
    from models.training.store import ObjectStore
    from sazon.settings import EncoderSettings, TrainSettings

    settings = TrainSettings(epochs=3, least_steps=0, batch_size=8, checkpoint_s=0.0, dropout=0.2, token_dropout=0.2)
    size = EncoderSettings(layers=2, hidden=32, heads=2, intermediate=64, vocabulary=60, max_tokens=32)
    stores = [ExampleStore(folder / name) for name in ("train", "eval")]
    done = []
    kept = TrainingState(state, 0.0, ObjectStore(address) if address else None)
    trainer = Trainer(*stores, 60, 4, size, settings, state=kept, observer=Observer(done.append))
    fitted = trainer.fit()
    figures = {"epochs": [vars(epoch) for epoch in fitted.epochs], "first": done[0], "thresholds": fitted.thresholds}
    result.write_text(json.dumps(figures))


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Rows whose sentiment follows from a token."""
    folder = tmp_path_factory.mktemp("stores")
    for name, rows in (("train", 400), ("eval", 80)):
        rng = np.random.default_rng(rows)
        sentiment = rng.integers(0, 3, rows)
        tokens = [np.array([2, 10 + label, *rng.integers(20, 60, rng.integers(2, 20)), 3]) for label in sentiment]
        tastes = rng.random((rows, 10)) < 0.3
        ExampleStore.write(folder / name, [TokenisedRows(tokens, sentiment, tastes, np.ones(rows, bool))])
    return folder


@pytest.fixture(scope="module")
def start(stores, fork_server):
    def start(state, result, *address):
        child = fork_server.Process(target=train, args=(stores, state, result, *address))
        child.start()
        return child

    return start


@pytest.fixture(scope="module")
def unbroken(start, tmp_path_factory):
    """What a training brings that nothing happens to."""
    folder = tmp_path_factory.mktemp("unbroken")
    child = start(folder / "state.npz", folder / "result.json")
    child.join(300)
    assert child.exitcode == 0
    return json.loads((folder / "result.json").read_text())


def same_curve(first, second):
    assert second["first"] > 0  # it did not begin anew
    assert len(first["epochs"]) == len(second["epochs"])
    for one, two in zip(first["epochs"], second["epochs"], strict=True):
        assert two["eval_loss"] == pytest.approx(one["eval_loss"], abs=1e-3)
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-3)
    assert first["epochs"][0]["eval_loss"] != first["epochs"][-1]["eval_loss"]


def test_killed_in_the_middle_of_an_epoch(start, unbroken, tmp_path):
    state, resumed = tmp_path / "two.npz", tmp_path / "resumed.json"
    kills = 0
    while not resumed.exists():
        child = start(state, resumed)
        seen = state.stat().st_mtime_ns if state.exists() else 0
        while kills < 2 and child.is_alive():
            if state.exists() and state.stat().st_mtime_ns != seen:
                time.sleep(0.4)  # some batches on
                child.kill()
                kills += 1
                break
            time.sleep(0.01)
        child.join(300)
    assert kills == 2
    same_curve(unbroken, json.loads(resumed.read_text()))


def test_killed_and_the_disk_is_lost(start, unbroken, tmp_path):
    disk, bucket, resumed = tmp_path / "disk", tmp_path / "bucket", tmp_path / "resumed.json"
    child = start(disk / "state.npz", resumed, bucket.as_uri())
    while not (bucket / "state.json").exists():
        assert child.is_alive()
        time.sleep(0.01)
    time.sleep(0.4)  # some batches and uploads on
    child.kill()
    child.join(300)
    assert not resumed.exists()
    shutil.rmtree(disk)
    child = start(disk / "state.npz", resumed, bucket.as_uri())
    child.join(300)
    same_curve(unbroken, json.loads(resumed.read_text()))


def test_a_damaged_state_is_a_fresh_start(tmp_path):
    import keras

    from models.training.state import TrainingState

    path = tmp_path / "state.npz"
    path.write_bytes(b"PK\x03\x04 cut off")
    assert TrainingState(path, 0.0).restore([keras.Variable(np.zeros(2))]).epoch == 0


def test_a_second_run_of_the_same_training_is_refused_and_scratch_goes(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from models.training import run
    from models.training.store import ObjectStore
    from sazon.errors import UserError

    scratch, lock = tmp_path / "scratch", tmp_path / "trainings" / "0123.lock"
    store = ObjectStore(str(tmp_path / "store"))
    job = run.TrainingJob(None, None, None, None, "taste", {}, "0123", scratch, store, lock)
    monkeypatch.setattr(run.TrainingJob, "read", lambda _: job)
    asked = SimpleNamespace(custom_config={})

    def train_again(*_):
        run.train(asked, None)

    monkeypatch.setattr(run, "_train", train_again)
    scratch.mkdir()
    with pytest.raises(UserError, match=r"another training of the same data and settings is under way.*0123\.lock"):
        run.train(asked, None)
    assert not scratch.exists()
    monkeypatch.setattr(run, "_train", lambda *_: None)
    run.train(asked, None)  # whoever fails holds nothing
