"""Training on another Keras backend, in a child; its weights answer alike in TensorFlow."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from models.inputs.example_store import ExampleStore, TokenisedRows
from models.training.fitting import Observer, Trainer, predict_logits
from sazon.errors import SettingsError
from sazon.settings import EncoderSettings, TrainSettings

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
SIZE = EncoderSettings(layers=2, hidden=32, heads=2, intermediate=64, vocabulary=200, max_tokens=32)

ANSWER = """
import sys
from pathlib import Path
import numpy as np
from models.training.engine import Engine
from models.inputs.example_store import ExampleStore
from models.training.fitting import predict_logits
from models.bert.taste_model import TasteModel
from sazon.settings import EncoderSettings

folder, size = Path(sys.argv[1]), EncoderSettings.model_validate_json(sys.argv[2])
model = TasteModel(60, size)
with np.load(folder / "weights.npz") as values:
    for index, variable in enumerate(model.weights):
        variable.assign(values[str(index)])
sentiment, tastes = predict_logits(Engine(model, None), ExampleStore(folder / "eval"))
np.savez(folder / "logits.npz", sentiment=sentiment, tastes=tastes)
"""


@pytest.fixture(autouse=True)
def _quick_to_compile(monkeypatch):
    """Not to the fastest code: compiling takes longer than training here."""
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")


@pytest.fixture
def folder(tmp_path):
    """Rows whose sentiment follows from a token."""
    for name, rows in (("train", 160), ("eval", 40)):
        rng = np.random.default_rng(rows)
        sentiment = rng.integers(0, 3, rows)
        tokens = [np.array([2, 10 + label, *rng.integers(20, 60, rng.integers(2, 12)), 3]) for label in sentiment]
        tastes = rng.random((rows, 10)) < 0.3
        ExampleStore.write(tmp_path / name, [TokenisedRows(tokens, sentiment, tastes, np.ones(rows, bool))])
    return tmp_path


def trainer_of(folder, observer=Observer(), **settings):  # noqa: B008
    chosen = TrainSettings.model_validate(
        {"epochs": 2, "least_steps": 0, "batch_size": 16, "learning_rate": 3e-3, "precision": "float32", **settings}
    )
    return Trainer(
        ExampleStore(folder / "train"), ExampleStore(folder / "eval"), 60, 4, SIZE, chosen, observer=observer
    )


# PyTorch is too large for the lock: it is tested where somebody has installed it.
BACKENDS = ["jax", *(["torch"] if importlib.util.find_spec("torch") else [])]


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_trained_elsewhere_answer_alike_in_tensorflow(folder, backend):
    done, epochs = [], []
    fitted = trainer_of(folder, Observer(done.append, epochs.append), backend=backend).fit()
    assert sum(done) == 20 and epochs == fitted.epochs and len(epochs) == 2
    assert epochs[1].loss < epochs[0].loss
    np.savez(folder / "weights.npz", **{str(index): one.numpy() for index, one in enumerate(fitted.model.weights)})
    subprocess.run(
        [sys.executable, "-c", ANSWER, str(folder), SIZE.model_dump_json()],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
    )
    from models.training.engine import Engine

    ours = predict_logits(Engine(fitted.model, None), ExampleStore(folder / "eval"))
    with np.load(folder / "logits.npz") as theirs:
        np.testing.assert_allclose(ours[0], theirs["sentiment"], atol=1e-4)
        np.testing.assert_allclose(ours[1], theirs["tastes"], atol=1e-4)


def test_a_backend_that_is_not_there_is_one_clear_line(folder, monkeypatch):
    monkeypatch.setattr("models.training.backends.importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"jax is not installed here; pip install"):
        trainer_of(folder, backend="jax").fit()


def train_for_long(folder, said):
    """The body of a parent."""
    observer = Observer(lambda done: said.send("batch"))
    trainer_of(folder, observer, epochs=1000, patience=1000, backend="jax").fit()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_child_ends_with_its_parent(folder, fork_server, number):
    hears, said = fork_server.Pipe(duplex=False)
    parent = fork_server.Process(target=train_for_long, args=(folder, said))
    parent.start()
    assert hears.recv() == "batch"
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    child = next(one for one in children if b"models.training.backends" in Path(f"/proc/{one}/cmdline").read_bytes())
    os.kill(parent.pid, number)
    parent.join(30)
    deadline_s = time.monotonic() + 20
    while _runs(child) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert not _runs(child)


def _runs(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
