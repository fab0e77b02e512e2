"""Weights as constants of a SavedModel, held once for all its signatures."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def constants(values: Sequence[np.ndarray]) -> list[tf.Tensor]:
    """Tensors for functions to capture.

    A constant that is made within a function is copied with it, for each signature and again while saving; one that is
    captured is written once, beside the functions, and TensorFlow Serving folds it into each as it loads.
    """
    with tf.init_scope():
        return [tf.constant(value) for value in values]
