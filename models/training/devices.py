"""Training on several devices, of one machine or of several: each takes its share of every batch's rows.

Gradients are summed. All machines make the same batches, so that only gradients and scores travel.
"""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from models.bert.packing import Batch, pack
from sazon.errors import SettingsError
from sazon.settings import TrainSettings

_OF_ALL_ROWS = ("tokens", "layout", "positive_weight")


def device_scope(settings: TrainSettings) -> contextlib.AbstractContextManager[Any]:
    """Where a model for the devices of the settings is made and trained.

    Raises:
        SettingsError: there are fewer devices, or this way to train works on one alone.
    """
    if settings.devices == settings.nodes == 1:
        return contextlib.nullcontext()
    backend = keras.backend.backend()
    if backend != "tensorflow":
        setting = f"nodes: {settings.nodes}" if settings.nodes > 1 else f"devices: {settings.devices}"
        raise SettingsError(f"train.{setting} needs train.backend tensorflow, not {backend}; or set 1")
    if settings.nodes > 1:
        return _scope_of_nodes(settings)
    import tensorflow as tf

    here = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if settings.devices > len(here):
        raise SettingsError(f"train.devices: {settings.devices} asked for, {len(here)} here; set 0 for all there are")
    chosen = [device.name for device in here[: settings.devices or None]]
    if len(chosen) == 1:
        return contextlib.nullcontext()
    _refuse_accumulation(settings)
    return tf.distribute.MirroredStrategy(chosen).scope()


def _scope_of_nodes(settings: TrainSettings) -> contextlib.AbstractContextManager[Any]:
    """Waits for the other nodes; TensorFlow wants this before anything else is done with it."""
    import tensorflow as tf

    if tf.distribute.has_strategy():
        return contextlib.nullcontext()
    if "TF_CONFIG" not in os.environ:
        raise SettingsError(
            f"train.nodes: {settings.nodes} are pods of a cluster, started by `sazon train` or the pipeline; set 1 here"
        )
    _refuse_accumulation(settings)
    gpus = tf.config.list_physical_devices("GPU")
    if settings.devices > max(1, len(gpus)):
        raise SettingsError(
            f"train.devices: {settings.devices} asked for, {len(gpus)} GPUs on this node; set 0 for all there are"
        )
    if gpus and settings.devices:
        tf.config.set_visible_devices(gpus[: settings.devices], "GPU")
    return tf.distribute.MultiWorkerMirroredStrategy().scope()


def _refuse_accumulation(settings: TrainSettings) -> None:
    if settings.accumulate > 1:
        raise SettingsError("train.accumulate: only 1 with several devices; raise batch_size instead")


def mean_over_nodes(values: Sequence[float]) -> list[float]:
    """The same figures on all nodes, whatever rounding made of them: what is decided by them is decided alike.

    Every node must call it; it also waits until all have.
    """
    if keras.backend.backend() != "tensorflow":
        return list(values)
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return list(values)

    @tf.function(autograph=False)
    def mean(own: tf.Tensor) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, strategy.run(lambda value: value, args=(own,)), axis=None)

    return [float(value) for value in mean(tf.constant(values, tf.float64))]


def share_rows(batch: Batch, shares: int) -> tuple[Batch, ...]:
    """Splits a batch by rows into packed batches of their own; both passes of a row stay together.

    Weights stay as they are, normalised over the whole batch, so the losses of the shares add up to the batch's. A
    share without a row of its own gets one that weighs nothing.
    """
    layout = batch["layout"]
    texts = [batch["tokens"][slots[real]] for slots, real in zip(layout.slots, layout.mask, strict=True)]
    passes = max(1, round(float(batch["row_weight"].sum())))
    rows = np.arange(len(texts)).reshape(passes, -1)
    parts = np.array_split(rows, shares, axis=1)
    return tuple(_share(batch, texts, part if part.size else rows[:, :1], idle=not part.size) for part in parts)


def _share(batch: Batch, texts: list[np.ndarray], part: np.ndarray, idle: bool) -> Batch:
    rows = part.ravel()
    tokens, layout = pack([texts[row] for row in rows])
    share = {name: value if name in _OF_ALL_ROWS else value[rows] for name, value in batch.items()}
    if idle:
        share |= {name: np.zeros_like(share[name]) for name in ("sentiment_weight", "taste_weight", "row_weight")}
    return {**share, "tokens": tokens, "layout": layout}
