"""Gated fusion: what is known of a text's product and region, beside what the text says."""

import keras
import numpy as np
from keras import ops

from data.context import CONTEXT, is_count
from models.bert.encoder import Linear

_UNITS = 32
_SHUT = -2.0  # a sigmoid of 0.12: at first the text speaks alone, and the gate opens where context helps

_COUNTS = np.array([is_count(name) for name in CONTEXT])


class ContextFusion(keras.layers.Layer):
    """Adds to the pooled text what its context says, as far as a gate that reads both lets it through."""

    def __init__(self, hidden: int) -> None:
        """`hidden` is the size of the pooled text. Knows nothing of the features' scale before `adapt`."""
        super().__init__(name="context")
        self.centre = self.add_weight((len(CONTEXT),), initializer="zeros", trainable=False, name="centre")
        self.scale = self.add_weight((len(CONTEXT),), initializer="ones", trainable=False, name="scale")
        self.inner = Linear(2 * len(CONTEXT), _UNITS, "float32", "inner")
        self.outer = Linear(_UNITS, hidden, "float32", "outer")
        self.gate = Linear(hidden + _UNITS, hidden, "float32", "gate")
        self.gate.bias.assign(np.full(hidden, _SHUT, np.float32))
        self.built = True

    def adapt(self, context: np.ndarray) -> None:
        """Learns mean and deviation of each feature.

        Args:
            context: (rows, features) float32, NaN where nothing is known; a feature that never is keeps 0 and 1.
        """
        values = np.where(_COUNTS, np.log1p(context), context).astype(np.float64)
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, values, 0).sum(axis=0) / count
        deviation = np.sqrt((np.where(known, values - centre, 0) ** 2).sum(axis=0) / count)
        self.centre.assign(centre.astype(np.float32))
        self.scale.assign(np.where(deviation > 0, deviation, 1).astype(np.float32))

    def call(self, pooled: keras.KerasTensor, context: keras.KerasTensor) -> keras.KerasTensor:
        """Fuses.

        Args:
            pooled: (batch, hidden) float32.
            context: (batch, features) float32 as `data.context.context_of` gives it, NaN where nothing is known.

        Returns:
            (batch, hidden) float32; of a row without any context exactly the `pooled` one.
        """
        known = ops.isfinite(context)
        values = ops.where(known, context, 0.0)  # before any arithmetic: NaN times 0 is NaN
        values = ops.where(_COUNTS, ops.log1p(values), values)
        values = ops.where(
            known, (values - ops.convert_to_tensor(self.centre)) / ops.convert_to_tensor(self.scale), 0.0
        )
        read = ops.relu(self.inner(ops.concatenate([values, ops.cast(known, "float32")], axis=1)))
        gate = ops.sigmoid(self.gate(ops.concatenate([pooled, read], axis=1)))
        return pooled + gate * self.outer(read) * ops.cast(ops.any(known, axis=1, keepdims=True), "float32")
