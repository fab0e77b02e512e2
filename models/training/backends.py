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

import keras
import numpy as np

from models.bert.precision import resolve_precision
from models.bert.taste_model import TasteModel
from models.inputs.example_store import ExampleStore
from models.training.fitting import Fitted, Observer, Trainer
from models.training.state import Epoch, TrainingState
from sazon.errors import SazonError, SettingsError
from sazon.memory import keep_freed_memory
from sazon.processes import die_with_parent
from sazon.settings import EncoderSettings, TrainSettings

_INSTALL = {"tensorflow": "tensorflow", "jax": '"jax[cpu]" (with an NVIDIA GPU: "jax[cuda12]")', "torch": "torch"}
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
        _write_job(trainer, folder)
        _run(backend, folder, trainer.observer)
        return _read_result(trainer, folder)


def _write_job(trainer: Trainer, folder: Path) -> None:
    job = {
        "train": str(trainer.train.folder.resolve()),
        "held_out": str(trainer.held_out.folder.resolve()),
        "vocabulary": trainer.vocabulary,
        "mask_id": trainer.mask_id,
        "size": trainer.size.model_dump(),
        "settings": trainer.settings.model_dump(),
        "state": [str(trainer.state.path.resolve()), trainer.state.interval_s] if trainer.state else None,
        "note": dict(trainer.note or {}),
    }
    (folder / "job.json").write_text(json.dumps(job))
    weights: dict[str, Any] = dict(trainer.weights or {})
    np.savez(folder / "weights.npz", **weights)


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


def _read_result(trainer: Trainer, folder: Path) -> Fitted:
    precision = resolve_precision(trainer.settings.precision)
    model = TasteModel(trainer.vocabulary, trainer.size, trainer.settings, precision)
    result = json.loads((folder / "result.json").read_text())
    with np.load(folder / "fitted.npz") as values:
        for index, variable in enumerate(model.weights):
            variable.assign(values[str(index)])
    epochs = [Epoch(**epoch) for epoch in result["epochs"]]
    return Fitted(model, result["thresholds"], result["temperature"], epochs)


def _train_job(folder: Path) -> None:
    """The child's part."""
    job = json.loads((folder / "job.json").read_text())
    with np.load(folder / "weights.npz") as stored:
        weights = {name: stored[name] for name in stored.files}
    fitted = Trainer(
        ExampleStore(Path(job["train"])),
        ExampleStore(Path(job["held_out"])),
        job["vocabulary"],
        job["mask_id"],
        EncoderSettings.model_validate(job["size"]),
        TrainSettings.model_validate(job["settings"]),
        weights=weights or None,
        state=TrainingState(Path(job["state"][0]), job["state"][1]) if job["state"] else None,
        observer=Observer(lambda done: _say(batches=done), lambda epoch: _say(epoch=asdict(epoch))),
        note=job["note"],
    ).fit()
    values = {str(index): keras.ops.convert_to_numpy(one) for index, one in enumerate(fitted.model.weights)}
    np.savez(folder / "fitted.npz", **values)
    result = {
        "thresholds": [float(one) for one in fitted.thresholds],
        "temperature": float(fitted.temperature),
        "epochs": [asdict(epoch) for epoch in fitted.epochs],
    }
    (folder / "result.json").write_text(json.dumps(result))


def _say(**news: Any) -> None:
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    keep_freed_memory()
    _train_job(Path(sys.argv[1]))
