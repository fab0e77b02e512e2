"""The Trainer's entry: fit on transformed examples, record the curve in MLflow, export."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import mlflow
import tensorflow_transform as tft
from tqdm import tqdm

from models import features
from models.examples import read_examples
from models.export import TasteExport, save
from models.fitting import Epoch, fit
from models.saved_model import TrainingRecord
from sazon.logging import get_logger
from sazon.memory import keep_freed_memory
from sazon.settings import EncoderSettings, TrainSettings

_LOG = get_logger("training")

CONFIG_ENCODER = "encoder"
CONFIG_TRAIN = "train"
CONFIG_EXPERIMENT = "experiment"
CONFIG_TAGS = "tags"


def run_fn(fn_args: Any) -> None:
    """Called by TFX.

    Args:
        fn_args: TFX's FnArgs; `custom_config` holds the encoder's size, how to train, the vocabulary file, the MLflow
            experiment and tags. MLflow's server is the process' own setting, so that it is not part of the cache key.
    """
    keep_freed_memory()
    config = fn_args.custom_config
    size = EncoderSettings.model_validate(config[CONFIG_ENCODER])
    settings = TrainSettings.model_validate(config[CONFIG_TRAIN])
    vocabulary = Path(config[features.CONFIG_VOCABULARY]).read_text(encoding="utf-8").splitlines()
    train, held_out = (read_examples(_expand(files)) for files in (fn_args.train_files, fn_args.eval_files))

    started_s = time.monotonic()
    mlflow.set_experiment(config[CONFIG_EXPERIMENT])
    with mlflow.start_run(tags=config[CONFIG_TAGS]) as run:
        mlflow.log_params({**_flat("encoder", size.model_dump()), **_flat("train", settings.model_dump())})
        progress = _Progress(settings.epochs, -(-len(train) // settings.batch_size))
        fitted = fit(train, held_out, len(vocabulary), size, settings, progress.epoch_done, (progress,))
        seconds = time.monotonic() - started_s
    transform = tft.TFTransformOutput(fn_args.transform_output)
    export = TasteExport(fitted.model, transform, vocabulary, size.max_tokens, fitted.thresholds)
    folder = Path(fn_args.serving_model_dir)
    save(export, folder)
    TrainingRecord(
        run.info.run_id,
        seconds,
        fitted.model.count_params(),
        len(vocabulary),
        fitted.thresholds,
        [vars(epoch) for epoch in fitted.epochs],
    ).write(folder)


def _expand(patterns: list[str]) -> list[Path]:
    return sorted(file for pattern in patterns for file in Path(pattern).parent.glob(Path(pattern).name))


def _flat(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{prefix}.{key}": value if isinstance(value, int | float | str) else json.dumps(value)
        for key, value in values.items()
    }


class _Progress(keras.callbacks.Callback):
    """A bar over all steps on a terminal, a line an epoch everywhere, and the curve in MLflow."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._bar = tqdm(
            total=epochs * steps, unit="step", leave=False, file=sys.stderr, disable=None, desc="  training"
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._bar.close()

    def epoch_done(self, epoch: Epoch) -> None:
        figures = {
            "loss": epoch.loss,
            "eval_sentiment_macro_f1": epoch.eval_sentiment_macro_f1,
            "eval_tastes_macro_f1": epoch.eval_tastes_macro_f1,
            "epoch_seconds": epoch.seconds,
        }
        mlflow.log_metrics({name: value for name, value in figures.items() if value == value}, step=epoch.number)
        with tqdm.external_write_mode(file=sys.stderr):
            _LOG.info(
                "    epoch %d/%d · %.0f s · loss %.3f · eval macro-F1 sentiment %.3f, tastes %.3f",
                epoch.number,
                self._epochs,
                epoch.seconds,
                epoch.loss,
                epoch.eval_sentiment_macro_f1,
                epoch.eval_tastes_macro_f1,
            )
