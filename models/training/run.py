"""The Trainer's entry: fit on transformed examples, record the curve in MLflow, export."""

import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import tensorflow_transform as tft
from mlflow.exceptions import MlflowException
from tqdm import tqdm

from models.bert.packing import pack
from models.bert.precision import Served, resolve_served
from models.bert.taste_model import TasteModel
from models.checkpoints.checkpoint import Checkpoint, read_checkpoint
from models.checkpoints.finetuned import Answering, write_finetuned
from models.export.frozen_model import TasteExport, read_to_serve
from models.export.int8 import input_ranges
from models.export.saved_model import TrainingRecord
from models.inputs import features
from models.inputs.example_store import ExampleStore, read_examples
from models.text.tokeniser import Tokeniser
from models.training.fitting import Fitted, Observer, Trainer, planned_epochs
from models.training.state import Epoch, TrainingState
from models.training.store import ObjectStore, is_remote
from sazon.errors import StoreError, UserError
from sazon.logging import get_logger
from sazon.memory import keep_freed_memory
from sazon.registry import CHECKPOINT_ARTIFACT
from sazon.settings import EncoderSettings, TrainSettings

_LOG = get_logger("training")

CONFIG_ENCODER = "encoder"
CONFIG_TRAIN = "train"
CONFIG_CHECKPOINT = "checkpoint"
CONFIG_EXPERIMENT = "experiment"
CONFIG_TAGS = "tags"
CONFIG_STATE_DIR = "state_dir"

_CALIBRATION_ROWS, _CALIBRATION_BATCH = 1024, 64


@dataclass(frozen=True)
class TrainingJob:
    """What the pipeline asks for, read from TFX's `custom_config`."""

    size: EncoderSettings
    settings: TrainSettings
    tokeniser: Tokeniser
    checkpoint: Path | None
    experiment: str
    tags: dict[str, str]
    key: str
    folder: Path
    store: ObjectStore | None
    lock: Path | None = None

    @classmethod
    def read(cls, config: dict[str, Any]) -> "TrainingJob":
        """Key and store, or folder, are the same for the same job, so that a killed one finds its state.

        There is a store where the state lives in one, and where several machines train; the folder is scratch then.
        There is a lock wherever the state is on a file system.
        """
        key = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]
        settings = TrainSettings.model_validate(config[CONFIG_TRAIN])
        place = config[CONFIG_STATE_DIR]
        remote = is_remote(place)
        shared = remote or settings.nodes > 1
        store = ObjectStore(place if remote else str(Path(place).resolve())).below(key) if shared else None
        return cls(
            EncoderSettings.model_validate(config[CONFIG_ENCODER]),
            settings,
            Tokeniser.read(Path(config[features.CONFIG_TOKENISER])),
            Path(config[CONFIG_CHECKPOINT]) if config.get(CONFIG_CHECKPOINT) else None,
            config[CONFIG_EXPERIMENT],
            config[CONFIG_TAGS],
            key,
            Path(tempfile.mkdtemp(prefix="sazon-training-")) if shared else Path(place) / key,
            store,
            None if remote else Path(place) / f"{key}.lock",
        )


Fit = Callable[[TrainingJob, Trainer], Fitted]


def run_fn(fn_args: Any) -> None:
    """Called by TFX; trains in this process.

    Args:
        fn_args: TFX's FnArgs; `custom_config` is what `TrainingJob` reads. MLflow's server is the process' own setting,
            so that it is not part of the cache key.
    """
    train(fn_args, lambda _, trainer: trainer.fit())


def train(fn_args: Any, fit: Fit) -> None:
    """Trains by `fit`, records and exports.

    Raises:
        StoreError: the state of the training cannot be kept where the settings want it.
        UserError: the same training is under way already.
    """
    keep_freed_memory()
    job = TrainingJob.read(fn_args.custom_config)
    with _alone(job):
        _train(fn_args, job, fit)
        _forget(job)


@contextmanager
def _alone(job: TrainingJob) -> Iterator[None]:
    """Keeps other runs off the training's files, also those of other pods; what is scratch goes in any case."""
    try:
        with _locked(job.lock) if job.lock else nullcontext():
            yield
    finally:
        if job.store:
            shutil.rmtree(job.folder, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another training of the same data and settings is under way (it holds {path}): wait for it, or stop it"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _train(fn_args: Any, job: TrainingJob, fit: Fit) -> None:
    if job.store:
        job.store.check()
    rows, held_out = (
        ExampleStore.write(job.folder / name, read_examples(_expand(files), context=job.settings.context))
        for name, files in (("train", fn_args.train_files), ("eval", fn_args.eval_files))
    )
    state = TrainingState(job.folder / "state.npz", job.settings.checkpoint_s, job.store)
    mlflow.set_experiment(job.experiment)
    with mlflow.start_run(run_id=_interrupted_run(state), tags=job.tags) as run:
        started_s = time.monotonic()
        fitted = _fit(job, rows, held_out, state, run.info.run_id, fit)
        seconds = time.monotonic() - started_s
        answering = Answering(
            job.tokeniser, job.size.max_tokens, fitted.thresholds, fitted.temperature, _input_ranges(fitted, rows)
        )
        served = _log_checkpoint(fitted, answering, job.settings.served)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    folder = Path(fn_args.serving_model_dir)
    TasteExport(*served, transform).save(folder)
    TrainingRecord(
        mlflow_run_id=run.info.run_id,
        seconds=seconds,
        parameters=fitted.model.count_params(),
        vocabulary=len(job.tokeniser.vocabulary),
        thresholds=fitted.thresholds,
        temperature=fitted.temperature,
        epochs=[vars(epoch) for epoch in fitted.epochs],
    ).write(folder)


def _forget(job: TrainingJob) -> None:
    shutil.rmtree(job.folder, ignore_errors=True)
    try:
        if job.store:
            job.store.clear()
    except StoreError as error:  # the model is there
        _LOG.warning("the state of a finished training stays: %s", error)


def _fit(
    job: TrainingJob, train: ExampleStore, held_out: ExampleStore, state: TrainingState, run_id: str, fit: Fit
) -> Fitted:
    loaded: Checkpoint | None = read_checkpoint(job.checkpoint) if job.checkpoint else None
    batches = -(-len(train) // job.settings.batch_size)
    progress = _Progress(planned_epochs(job.settings, batches), batches)
    trainer = Trainer(
        train,
        held_out,
        len(job.tokeniser.vocabulary),
        job.tokeniser.mask_id,
        job.size,
        job.settings,
        weights=loaded.weights if loaded else None,
        state=state,
        observer=Observer(progress.batches_done, progress.epoch_done),
        note={"mlflow_run_id": run_id},
    )
    mlflow.log_params({**_flat("encoder", job.size.model_dump()), **_flat("train", trainer.settings.model_dump())})
    try:
        return fit(job, trainer)
    finally:
        progress.close()


def _input_ranges(fitted: Fitted, train: ExampleStore) -> list[float]:
    """What the layers read in training rows, taken evenly from all of them."""
    rows = np.linspace(0, len(train) - 1, min(len(train), _CALIBRATION_ROWS)).astype(int)
    parts = np.array_split(rows, -(-len(rows) // _CALIBRATION_BATCH))
    return input_ranges(fitted.model.encoder, (pack([train.tokens(row) for row in part]) for part in parts))


def _log_checkpoint(fitted: Fitted, answering: Answering, products: Served) -> tuple[TasteModel, Answering, bool]:
    """Into the run, whence `sazon models export` takes it; gives back what is to be served of it."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / CHECKPOINT_ARTIFACT
        write_finetuned(checkpoint, fitted.model, answering)
        mlflow.log_artifacts(str(checkpoint), CHECKPOINT_ARTIFACT)
        mlflow.log_param("served", resolve_served(products))
        return read_to_serve(checkpoint, products)


def _interrupted_run(state: TrainingState) -> str | None:
    """The MLflow run of the training that goes on, if it is still there."""
    run_id = state.note().get("mlflow_run_id")
    if not run_id:
        return None
    try:
        run = mlflow.get_run(run_id)
    except MlflowException:
        return None
    return str(run_id) if run.info.lifecycle_stage == "active" else None


def _expand(patterns: list[str]) -> list[Path]:
    return sorted(file for pattern in patterns for file in Path(pattern).parent.glob(Path(pattern).name))


def _flat(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{prefix}.{key}": value if isinstance(value, int | float | str) else json.dumps(value)
        for key, value in values.items()
    }


class _Progress:
    """A bar over all steps on a terminal, a line an epoch everywhere, and the curve in MLflow."""

    def __init__(self, epochs: int, steps: int) -> None:
        self._epochs = epochs
        self._bar = tqdm(
            total=epochs * steps, unit="step", leave=False, file=sys.stderr, disable=None, desc="  training"
        )

    def batches_done(self, count: int) -> None:
        self._bar.update(count)

    def close(self) -> None:
        self._bar.close()

    def epoch_done(self, epoch: Epoch) -> None:
        figures = {
            "loss": epoch.loss,
            "eval_loss": epoch.eval_loss,
            "eval_sentiment_macro_f1": epoch.eval_sentiment_macro_f1,
            "eval_tastes_macro_f1": epoch.eval_tastes_macro_f1,
            "epoch_seconds": epoch.seconds,
        }
        mlflow.log_metrics({name: value for name, value in figures.items() if value == value}, step=epoch.number)
        with tqdm.external_write_mode(file=sys.stderr):
            _LOG.info(
                "    epoch %d/%d · %.0f s · loss %.3f · eval macro-F1 sentiment %.3f, tastes %.3f · eval_score=%.4f",
                epoch.number,
                self._epochs,
                epoch.seconds,
                epoch.loss,
                epoch.eval_sentiment_macro_f1,
                epoch.eval_tastes_macro_f1,
                epoch.score,
            )
