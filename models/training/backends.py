"""Training on another Keras backend than this process': a child trains, and its weights come back through a file.

A process has one backend for life, and export needs TensorFlow. The child, `python -m models.training.backends FOLDER`,
reads the same stores; both sides speak through the folder and, for progress, through lines of JSON on its stdout.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.inputs.example_store import ExampleStore
from models.training.fitting import Fitted, Observer, Trainer
from models.training.handover import read_job, read_result, write_job, write_result
from models.training.state import Epoch, TrainingState
from models.training.store import ObjectStore
from sazon.errors import SazonError, SettingsError
from sazon.memory import keep_freed_memory
from sazon.processes import die_with_parent

_INSTALL = {"tensorflow": "tensorflow", "jax": '"jax[cpu]" (with an NVIDIA GPU: "jax[cuda12]")', "torch": "torch"}
_PLACES = "places.json"
_ROOT = Path(__file__).parents[2]
_STOP_S = 10.0


def fit_elsewhere(trainer: Trainer) -> Fitted:
    """As `trainer.fit()`, on the backend of its settings, in a child that ends with this process.

    Raises:
        SettingsError: the backend is not installed, or cannot do what the settings ask for.
        SazonError: the child failed; shows the last line that it wrote.
    """
    backend = trainer.settings.backend
    if importlib.util.find_spec(backend) is None:
        raise SettingsError(f"train.backend: {backend} is not installed here; pip install {_INSTALL[backend]}")
    with tempfile.TemporaryDirectory(prefix="sazon-backend-") as name:
        folder = Path(name)
        write_job(trainer, folder)
        _write_places(trainer, folder)
        _run(backend, folder, trainer.observer)
        return read_result(trainer, folder)


def _write_places(trainer: Trainer, folder: Path) -> None:
    state = trainer.state
    places = {
        "train": str(trainer.train.folder.resolve()),
        "held_out": str(trainer.held_out.folder.resolve()),
        "state": str(state.path.resolve()) if state else None,
        "interval_s": state.interval_s if state else None,
        "store": state.store.address if state and state.store else None,
    }
    (folder / _PLACES).write_text(json.dumps(places))


def _run(backend: str, folder: Path, observer: Observer) -> None:
    """Runs the child to its end and passes its progress on; whatever happens here, the child does not stay behind."""
    log = folder / "log"
    with log.open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "models.training.backends", str(folder)],
            cwd=_ROOT,
            env={**os.environ, "KERAS_BACKEND": backend},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    try:
        assert child.stdout is not None
        with closing(child.stdout) as lines:
            for line in lines:
                _pass_on(line, observer)
        code = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    if code:
        written = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise SazonError(f"training on {backend} stopped with exit code {code}: {(written or ['no output'])[-1]}")


def _pass_on(line: str, observer: Observer) -> None:
    if line.startswith('{"batches"'):
        observer.on_batch(json.loads(line)["batches"])
    elif line.startswith('{"epoch"'):
        observer.on_epoch(Epoch(**json.loads(line)["epoch"]))


def _train_job(folder: Path) -> None:
    """The child's part."""
    places = json.loads((folder / _PLACES).read_text())
    store = ObjectStore(places["store"]) if places["store"] else None
    fitted = read_job(
        folder,
        ExampleStore(Path(places["train"])),
        ExampleStore(Path(places["held_out"])),
        TrainingState(Path(places["state"]), places["interval_s"], store) if places["state"] else None,
        Observer(lambda done: _say(batches=done), lambda epoch: _say(epoch=asdict(epoch))),
    ).fit()
    write_result(fitted, folder)


def _say(**news: Any) -> None:
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    keep_freed_memory()
    _train_job(Path(sys.argv[1]))
