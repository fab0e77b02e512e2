"""A training as files: what it takes to run it in another process or on another machine, and what comes back."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from models.bert.precision import resolve_precision
from models.bert.taste_model import TasteModel
from models.inputs.example_store import ExampleStore
from models.training.fitting import Fitted, Observer, Trainer
from models.training.state import Epoch, TrainingState
from sazon.errors import SazonError
from sazon.settings import EncoderSettings, TrainSettings

JOB: Final = "job.json"
RESULT: Final = "result.json"
_START: Final = "weights.npz"
_FITTED: Final = "fitted.npz"


def write_job(trainer: Trainer, folder: Path) -> None:
    """Everything but the rows, the state and the observer."""
    weights: dict[str, Any] = dict(trainer.weights or {})
    np.savez(folder / _START, **weights)
    job = {
        "vocabulary": trainer.vocabulary,
        "mask_id": trainer.mask_id,
        "size": trainer.size.model_dump(),
        "settings": trainer.settings.model_dump(),
        "note": dict(trainer.note or {}),
    }
    (folder / JOB).write_text(json.dumps(job))


def read_job(
    folder: Path, train: ExampleStore, held_out: ExampleStore, state: TrainingState | None, observer: Observer
) -> Trainer:
    """What `write_job` wrote, with rows, state and observer of this process."""
    job = json.loads((folder / JOB).read_text())
    with np.load(folder / _START) as stored:
        weights = {name: stored[name] for name in stored.files}
    return Trainer(
        train,
        held_out,
        job["vocabulary"],
        job["mask_id"],
        EncoderSettings.model_validate(job["size"]),
        TrainSettings.model_validate(job["settings"]),
        weights=weights or None,
        state=state,
        observer=observer,
        note=job["note"],
    )


def write_result(fitted: Fitted, folder: Path) -> None:
    """A fitted model."""
    values = {str(index): keras.ops.convert_to_numpy(one) for index, one in enumerate(fitted.model.weights)}
    np.savez(folder / _FITTED, **values)
    result = {
        "thresholds": [float(one) for one in fitted.thresholds],
        "temperature": float(fitted.temperature),
        "epochs": [asdict(epoch) for epoch in fitted.epochs],
    }
    (folder / RESULT).write_text(json.dumps(result))


def read_result(trainer: Trainer, folder: Path) -> Fitted:
    """What `write_result` wrote, in a model of this process.

    Raises:
        SazonError: the weights are not those of this training's model.
    """
    model = TasteModel(
        trainer.vocabulary, trainer.size, trainer.settings, resolve_precision(trainer.settings.precision)
    )
    result = json.loads((folder / RESULT).read_text())
    with np.load(folder / _FITTED) as values:
        if len(values.files) != len(model.weights):
            raise SazonError(f"{folder / _FITTED}: {len(values.files)} weights, want {len(model.weights)}")
        for index, variable in enumerate(model.weights):
            variable.assign(values[str(index)])
    return Fitted(model, result["thresholds"], result["temperature"], [Epoch(**epoch) for epoch in result["epochs"]])


def job_files(trainer: Trainer, folder: Path) -> dict[str, Path]:
    """Name in a store to file, the rows included; the one that makes it whole comes last."""
    rows = {
        f"{side}/{path.name}": path
        for side, store in (("train", trainer.train), ("eval", trainer.held_out))
        for path in sorted(store.folder.glob("*.bin"))
    }
    return {**rows, _START: folder / _START, JOB: folder / JOB}


def result_files(folder: Path) -> dict[str, Path]:
    """As `job_files`, of a result."""
    return {_FITTED: folder / _FITTED, RESULT: folder / RESULT}
