"""Weights as constants of a graph."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def constants(values: list[np.ndarray]) -> Callable[[], list[tf.Tensor]]:
    """A function that gives them, int8 as qint8; it is stored once however many signatures call it, and inlined."""

    @tf.function(input_signature=[])
    def weights() -> list[tf.Tensor]:
        return [tf.constant(value, tf.qint8 if value.dtype == np.int8 else None) for value in values]

    return weights
