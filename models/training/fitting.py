"""Fitting the taste model: resumable, early stopping on eval macro-F1, thresholds and temperature."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from models.bert.packing import pack
from models.bert.precision import resolve_precision
from models.bert.taste_model import TasteModel
from models.bert.weights import load_encoder
from models.evaluation import metrics
from models.evaluation.calibration import fit_temperature
from models.inputs.batching import Batches, Grain, LabelWeights, order_rows
from models.inputs.example_store import UNLABELLED, ExampleStore
from models.training.devices import device_scope, mean_over_nodes
from models.training.engine import Engine
from models.training.optimiser import make_optimiser
from models.training.recipe import complete
from models.training.state import Epoch, Progress, TrainingState
from sazon.errors import SazonError, UserError
from sazon.schema import SENTIMENTS, TASTES
from sazon.settings import EncoderSettings, TrainSettings

_INFERENCE_BATCH = 128
_LEAST_POSITIVES = 5
_NEVER = 1.1


@dataclass
class Fitted:
    """A fitted model, its learning curve, and what was chosen on the eval split."""

    model: TasteModel
    thresholds: list[float]
    temperature: float
    epochs: list[Epoch]


@dataclass(frozen=True)
class Observer:
    """Who watches a training."""

    on_batch: Callable[[int], None] = lambda _: None
    on_epoch: Callable[[Epoch], None] = lambda _: None


@dataclass
class Trainer:
    """One training run, from random weights or from a checkpoint's."""

    train: ExampleStore
    held_out: ExampleStore
    vocabulary: int
    mask_id: int
    size: EncoderSettings
    settings: TrainSettings
    weights: Mapping[str, np.ndarray] | None = None
    state: TrainingState | None = None
    observer: Observer = Observer()
    note: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Rates that the settings leave open are chosen here, once for all backends."""
        self.settings = complete(self.settings, self.size, pretrained=self.weights is not None)

    def fit(self) -> Fitted:
        """Trains and keeps the weights of the best epoch; goes on where a killed run of the same state stopped."""
        if self.settings.backend != keras.backend.backend():
            from models.training.backends import fit_elsewhere

            return fit_elsewhere(self)
        with device_scope(self.settings):
            return self._fit()

    def _fit(self) -> Fitted:
        keras.utils.set_random_seed(self.settings.seed)
        model = TasteModel(self.vocabulary, self.size, self.settings, resolve_precision(self.settings.precision))
        if self.weights:
            load_encoder(model.encoder, self.weights)
        if model.context is not None:
            model.context.adapt(self._known_context())
        batches = self._batches()
        epochs = planned_epochs(self.settings, len(batches))
        steps = max(1, epochs * len(batches) // self.settings.accumulate)
        optimiser = make_optimiser(self.settings, model.encoder, steps)
        self.engine = Engine(model, optimiser)
        self._variables = [*model.variables, *optimiser.variables]
        progress = self.state.restore(self._variables) if self.state else Progress()
        _check_agreement(progress)
        progress.note = dict(self.note or {})
        self.observer.on_batch(progress.epoch * len(batches) + progress.batch)
        while progress.epoch < epochs and not self._should_stop(progress, epochs):
            self._run_epoch(batches, progress)
        for variable, value in zip(model.trainable_variables, progress.best, strict=True):
            variable.assign(value)
        logits = predict_logits(self.engine, self.held_out)
        return Fitted(model, *self._choose(logits), progress.epochs)

    def _batches(self) -> Batches:
        balance = LabelWeights.balancing(self.train) if self.settings.class_weights else LabelWeights.even()
        grain = Grain.of_backend(keras.backend.backend())
        return Batches(self.train, self.settings, balance, self.mask_id, grain)

    def _known_context(self) -> np.ndarray:
        if self.train.context is None:
            raise UserError("train.context is on, but these rows come without context; set it to false here")
        return self.train.context

    def _run_epoch(self, batches: Batches, progress: Progress) -> None:
        started_s = time.monotonic() - progress.seconds
        losses: list[Any] = list(progress.losses)
        for batch in batches.of_epoch(progress.epoch, progress.batch):
            losses.append(self.engine.step(batch))
            progress.batch += 1
            self.observer.on_batch(1)
            now_s = time.monotonic()
            if self.state and self.state.due(now_s):
                progress.losses, progress.seconds = [float(one) for one in losses], now_s - started_s
                losses = list(progress.losses)
                self.state.save(self._variables, progress, time.monotonic)
        scores = mean_over_nodes(self._measure())
        seconds = time.monotonic() - started_s
        epoch = Epoch(progress.epoch + 1, seconds, float(np.mean([float(one) for one in losses])), *scores)
        if epoch.score > max((seen.score for seen in progress.epochs), default=-1.0):
            progress.best = [keras.ops.convert_to_numpy(one) for one in self.engine.model.trainable_variables]
        progress.epochs.append(epoch)
        progress.epoch, progress.batch, progress.losses, progress.seconds = progress.epoch + 1, 0, [], 0.0
        if self.state:  # before anybody hears of the epoch
            self.state.save(self._variables, progress, time.monotonic)
        self.observer.on_epoch(epoch)

    def _should_stop(self, progress: Progress, planned: int) -> bool:
        """After `patience` epochs without a better score, or a third of all epochs where these are many."""
        if not progress.epochs:
            return False
        best = max(progress.epochs, key=lambda seen: seen.score).number
        return len(progress.epochs) - best >= max(self.settings.patience, planned // 3)

    def _measure(self) -> tuple[float, float, float]:
        """Loss of sentiment, macro-F1 of sentiment and of tastes on the eval split with what context it has."""
        sentiment, tastes = predict_logits(self.engine, self.held_out, with_context=True)
        rows = self.held_out.rows
        labelled, has_tastes = rows["sentiment"] != UNLABELLED, rows["tastes_labelled"]
        truth = rows["sentiment"][labelled].astype(int)
        log_probabilities = _log_softmax(sentiment[labelled])
        loss = -float(log_probabilities[np.arange(len(truth)), truth].mean()) if len(truth) else float("nan")
        of_sentiment = metrics.macro_f1(truth, sentiment[labelled].argmax(axis=1), len(SENTIMENTS))
        if not has_tastes.any():
            return loss, of_sentiment, float("nan")
        return loss, of_sentiment, metrics.multilabel_macro_f1(rows["tastes"][has_tastes], tastes[has_tastes] >= 0)

    def _choose(self, logits: tuple[np.ndarray, np.ndarray]) -> tuple[list[float], float]:
        """Thresholds of the tastes and temperature of sentiment, by the eval split.

        A taste that was hardly ever seen gets a threshold above 1: without it, a model trained on a file without
        tastes would name half of them.
        """
        rows = self.held_out.rows
        labelled, has_tastes = rows["sentiment"] != UNLABELLED, rows["tastes_labelled"]
        temperature = fit_temperature(logits[0][labelled], rows["sentiment"][labelled].astype(int))
        probabilities = 1 / (1 + np.exp(-logits[1][has_tastes]))
        truth = rows["tastes"][has_tastes]
        seen = self.train.rows["tastes"][self.train.rows["tastes_labelled"]].sum(axis=0)
        chosen = metrics.best_thresholds(truth, probabilities)
        return np.where(seen >= _LEAST_POSITIVES, chosen, _NEVER).tolist(), temperature


def _check_agreement(progress: Progress) -> None:
    """All nodes go on from one checkpoint, unless a process that was given up for dead wrote another meanwhile."""
    place = [float(progress.epoch), float(progress.batch)]
    if mean_over_nodes(place) != place:
        raise SazonError(f"the nodes read different checkpoints (here epoch {place[0]:.0f}, batch {place[1]:.0f})")


def planned_epochs(settings: TrainSettings, batches: int) -> int:
    """Epochs at most: the settings', or as many as make `least_steps` where an epoch has few batches."""
    return max(settings.epochs, -(-settings.least_steps // batches))


def predict_logits(engine: Engine, store: ExampleStore, with_context: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Logits of all rows of a store: sentiment (rows, 3) and tastes (rows, 10), float32.

    By default from the texts alone: that is what most requests hold, and what thresholds and temperature are chosen on.
    """
    sentiment = np.empty((len(store), len(SENTIMENTS)), np.float32)
    tastes = np.empty((len(store), len(TASTES)), np.float32)
    grain = Grain.of_backend(keras.backend.backend())
    for rows in order_rows(store.lengths, _INFERENCE_BATCH, None):
        texts: Sequence[np.ndarray] = [store.tokens(row) for row in rows]
        tokens, layout = pack(texts, **grain.round(list(texts)))
        batch = {"tokens": tokens, "layout": layout}
        if with_context and store.context is not None:
            batch["context"] = store.context[rows]
        answer = engine.forward(batch)
        sentiment[rows] = keras.ops.convert_to_numpy(answer["sentiment"])
        tastes[rows] = keras.ops.convert_to_numpy(answer["tastes"])
    return sentiment, tastes


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
