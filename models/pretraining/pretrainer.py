"""Pretraining an encoder as a masked language model: resumable at any batch, in memory that does not grow."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import keras

from models.pretraining.masked_batches import MaskedBatches
from models.pretraining.masked_language_model import MaskedLanguageModel
from models.training.engine import Engine
from models.training.optimiser import LayerwiseAdamW, LinearSchedule
from models.training.state import Progress, TrainingState
from sazon.settings import PretrainSettings


class Stopped(Exception):
    """The run was asked to stop; its state is saved."""


@dataclass(frozen=True)
class PretrainEpoch:
    """What one epoch brought.

    Attributes:
        number: from 1.
        steps: done since the start.
        seconds: of training, the eval not counted.
        loss: the objective while training: with dropout, and with the words of each text where they are asked for.
        eval_loss: mean cross-entropy of the hidden tokens of the held-out texts, in nats.
        eval_accuracy: share of hidden tokens of the held-out texts that the first guess gets right.
        tokens_per_s: of training.
    """

    number: int
    steps: int
    seconds: float
    loss: float
    eval_loss: float
    eval_accuracy: float
    tokens_per_s: float


@dataclass(frozen=True)
class Watch:
    """Who watches a pretraining, and may stop it.

    Attributes:
        on_start: gets the steps that are done and those to do in all.
        on_step: gets the loss and the tokens of a batch.
        on_epoch: gets what an epoch brought.
        stop: asked after each batch.
    """

    on_start: Callable[[int, int], None] = lambda *_: None
    on_step: Callable[[float, int], None] = lambda *_: None
    on_epoch: Callable[[PretrainEpoch], None] = lambda *_: None
    stop: Callable[[], bool] = lambda: False


@dataclass
class Pretrainer:
    """One pretraining of a model."""

    model: MaskedLanguageModel
    batches: MaskedBatches
    settings: PretrainSettings
    state: TrainingState
    watch: Watch = Watch()

    def fit(self) -> list[PretrainEpoch]:
        """Trains the model; goes on where an interrupted run of the same state stopped.

        Raises:
            Stopped: the watch asked for it.
        """
        total = self.settings.steps or self.settings.epochs * len(self.batches)
        optimiser = make_optimiser(self.settings, total)
        self._engine = Engine(self.model, optimiser)
        self._variables = [*self.model.variables, *optimiser.variables]
        progress = self.state.restore(self._variables, PretrainEpoch)
        self.watch.on_start(self._done(progress), total)
        while self._done(progress) < total:
            self._run_epoch(progress, total)
        return progress.epochs

    def _done(self, progress: Progress) -> int:
        return progress.epoch * len(self.batches) + progress.batch

    def _run_epoch(self, progress: Progress, total: int) -> None:
        clock = _Clock(progress)
        for batch in self.batches.of_epoch(progress.epoch, progress.batch):
            loss, tokens = float(self._engine.step(batch)), int(batch["layout"].mask.sum())
            progress.batch += 1
            clock.count(loss, tokens)
            self.watch.on_step(loss, tokens)
            if progress.batch == len(self.batches) or self._done(progress) == total:
                break
            stop = self.watch.stop()
            if stop or self.state.due(time.monotonic()):
                clock.note(progress)
                self.state.save(self._variables, progress, time.monotonic)
            if stop:
                raise Stopped
        seconds, loss = clock.seconds, clock.loss / progress.batch
        done, tokens_per_s = self._done(progress), clock.tokens / seconds
        epoch = PretrainEpoch(progress.epoch + 1, done, seconds, loss, *self._measure(), tokens_per_s)
        progress.epochs.append(epoch)
        progress.epoch, progress.batch, progress.seconds, progress.note = progress.epoch + 1, 0, 0.0, {}
        self.watch.on_epoch(epoch)
        self.state.save(self._variables, progress, time.monotonic)

    def _measure(self) -> tuple[float, float]:
        """Mean loss and accuracy on the hidden tokens of the held-out texts."""
        loss, hits, count = 0.0, 0, 0
        for batch in self.batches.of_eval():
            answer = self._engine.forward(batch)
            real = batch["weights"] > 0
            loss += float(keras.ops.convert_to_numpy(answer["loss"])[real].sum())
            hits += int(keras.ops.convert_to_numpy(answer["hit"])[real].sum())
            count += int(real.sum())
        return loss / max(count, 1), hits / max(count, 1)


class _Clock:
    """What an epoch has counted so far, interruptions survived."""

    def __init__(self, progress: Progress) -> None:
        self._started_s = time.monotonic() - progress.seconds
        self.loss: float = progress.note.get("loss", 0.0)
        self.tokens: int = progress.note.get("tokens", 0)

    @property
    def seconds(self) -> float:
        """Since the epoch began, without the time that no process ran."""
        return time.monotonic() - self._started_s

    def count(self, loss: float, tokens: int) -> None:
        """Adds a batch."""
        self.loss, self.tokens = self.loss + loss, self.tokens + tokens

    def note(self, progress: Progress) -> None:
        """Keeps what was counted for a run that goes on from here."""
        progress.seconds, progress.note = self.seconds, {"loss": self.loss, "tokens": self.tokens}


def make_optimiser(settings: PretrainSettings, steps: int) -> LayerwiseAdamW:
    """The optimiser of a run of so many steps; all layers learn at one rate."""
    schedule = LinearSchedule(settings.learning_rate, int(settings.warmup_share * steps), steps)
    return LayerwiseAdamW(schedule, settings.weight_decay, {}, settings.clip_norm, 1)
