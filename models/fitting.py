"""Fitting the taste model: schedule, class weights, early stopping on eval macro-F1, thresholds."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np

from models import metrics
from models.examples import Examples, batch_rows, pad, training_dataset
from models.taste_model import LabelWeights, TasteModel
from sazon.schema import SENTIMENTS, TASTES
from sazon.settings import EncoderSettings, TrainSettings

_INFERENCE_BATCH = 128
_MAX_WEIGHT = 4.0
_LEAST_POSITIVES = 5
_NEVER = 1.1


@dataclass(frozen=True)
class Epoch:
    """What one epoch brought; `eval_*` are measured on the eval split."""

    number: int
    seconds: float
    loss: float
    eval_sentiment_macro_f1: float
    eval_tastes_macro_f1: float

    @property
    def score(self) -> float:
        """What early stopping maximises: mean of both macro-F1, or that of sentiment where no taste is labelled."""
        scores = [self.eval_sentiment_macro_f1, self.eval_tastes_macro_f1]
        return float(np.nanmean(scores))


@dataclass
class Fitted:
    """A fitted model with its learning curve and the taste thresholds chosen on the eval split."""

    model: TasteModel
    thresholds: list[float]
    epochs: list[Epoch] = field(default_factory=list)


def fit(
    train: Examples,
    held_out: Examples,
    vocabulary: int,
    size: EncoderSettings,
    settings: TrainSettings,
    on_epoch: Callable[[Epoch], None],
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> Fitted:
    """Trains from random weights and keeps the weights of the best epoch.

    Args:
        train: rows to fit.
        held_out: the eval split, for early stopping and thresholds.
        vocabulary: tokens in the vocabulary.
        size: of the encoder.
        settings: how to train.
        on_epoch: called after each epoch, for records and display.
        callbacks: further Keras callbacks, such as a progress bar.
    """
    keras.utils.set_random_seed(settings.seed)
    model = TasteModel(
        vocabulary,
        size,
        dropout=settings.dropout,
        token_dropout=settings.token_dropout,
        label_smoothing=settings.label_smoothing,
        weights=balance(train),
    )
    dataset = training_dataset(train, settings.batch_size, settings.seed)
    model.compile(optimizer=_optimizer(settings, int(dataset.cardinality())), jit_compile=False)
    watcher = _EarlyStopping(held_out, settings.patience, on_epoch)
    model.fit(dataset, epochs=settings.epochs, verbose=0, callbacks=[watcher, *callbacks])
    return Fitted(model, choose_thresholds(model, train, held_out), watcher.epochs)


def choose_thresholds(model: TasteModel, train: Examples, held_out: Examples) -> list[float]:
    """The threshold of each taste that is best on the eval split; one above 1 for a taste that was hardly ever seen.

    What was not learnt is never named: without it, a model trained on a file without tastes would name half of them.
    """
    _, probabilities = predict(model, held_out.tokens)
    labelled = held_out.taste_weight > 0
    seen = train.tastes[train.taste_weight > 0].sum(axis=0)
    return [
        metrics.best_threshold(held_out.tastes[labelled, index] > 0, probabilities[labelled, index])
        if seen[index] >= _LEAST_POSITIVES
        else _NEVER
        for index in range(len(TASTES))
    ]


def balance(train: Examples) -> LabelWeights:
    """Weights inverse to the root of a label's frequency, at most 4, so that rare labels are not drowned."""
    labelled = train.sentiment[train.sentiment_weight > 0]
    counts = np.bincount(labelled, minlength=len(SENTIMENTS)).astype(np.float32)
    present = counts > 0
    sentiment = np.ones(len(SENTIMENTS), np.float32)
    sentiment[present] = np.minimum(np.sqrt(counts.sum() / (present.sum() * counts[present])), _MAX_WEIGHT)
    tastes = train.tastes[train.taste_weight > 0]
    positives = tastes.sum(axis=0) if len(tastes) else np.zeros(len(TASTES))
    ratio = (len(tastes) - positives) / np.maximum(positives, 1)
    return LabelWeights(sentiment, np.clip(np.sqrt(ratio), 1.0, _MAX_WEIGHT).astype(np.float32))


def predict(model: TasteModel, tokens: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of rows of tokens, in the rows' order.

    Returns:
        sentiment (rows, 3) and tastes (rows, 10), float32.
    """
    sentiment = np.empty((len(tokens), len(SENTIMENTS)), np.float32)
    tastes = np.empty((len(tokens), len(TASTES)), np.float32)
    for rows in batch_rows(np.array([len(row) for row in tokens]), _INFERENCE_BATCH, None):
        logits = model.predict_on_batch(pad([tokens[row] for row in rows]))
        exponent = np.exp(logits["sentiment"] - logits["sentiment"].max(axis=1, keepdims=True))
        sentiment[rows] = exponent / exponent.sum(axis=1, keepdims=True)
        tastes[rows] = 1 / (1 + np.exp(-logits["tastes"]))
    return sentiment, tastes


def _optimizer(settings: TrainSettings, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """AdamW, linear warm-up, then cosine decay to nothing; norms and biases are not decayed."""
    steps = settings.epochs * steps_per_epoch
    warmup = max(1, int(settings.warmup_share * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warmup), warmup_target=settings.learning_rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


class _EarlyStopping(keras.callbacks.Callback):
    """Measures each epoch on the eval split, stops when it no longer improves, restores the best weights."""

    def __init__(self, held_out: Examples, patience: int, on_epoch: Callable[[Epoch], None]) -> None:
        super().__init__()
        self.held_out, self.patience, self.on_epoch = held_out, patience, on_epoch
        self.epochs: list[Epoch] = []
        self._best: list[np.ndarray] = []
        self._started_s = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started_s = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        scores = self._measure()
        record = Epoch(epoch + 1, time.monotonic() - self._started_s, float((logs or {})["loss"]), *scores)
        best = max((seen.score for seen in self.epochs), default=-1.0)
        self.epochs.append(record)
        self.on_epoch(record)
        if record.score > best:
            self._best = self.model.get_weights()
        elif self.epochs[-1].number - self._best_epoch() >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.model.set_weights(self._best)

    def _best_epoch(self) -> int:
        return max(self.epochs, key=lambda seen: seen.score).number

    def _measure(self) -> tuple[float, float]:
        sentiment, tastes = predict(self.model, self.held_out.tokens)
        has_sentiment, has_tastes = self.held_out.sentiment_weight > 0, self.held_out.taste_weight > 0
        of_sentiment = metrics.macro_f1(
            self.held_out.sentiment[has_sentiment], sentiment[has_sentiment].argmax(axis=1), len(SENTIMENTS)
        )
        if not has_tastes.any():
            return of_sentiment, float("nan")
        truth = self.held_out.tastes[has_tastes] > 0
        return of_sentiment, metrics.multilabel_macro_f1(truth, tastes[has_tastes] >= 0.5)
