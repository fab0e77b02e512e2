"""TFX Transform's preprocessing: raw columns to token ids, label ids and label masks, all in graph."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from data.context import CONTEXT
from models.inputs import features
from models.text.tokeniser import Tokeniser
from sazon.schema import SENTIMENTS, TASTES


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """Maps raw features to what the Trainer and the Evaluator read.

    Args:
        inputs: raw columns as sparse tensors (optional ones) or (batch, 1) tensors; where rows carry their context, the
            columns of `data.context.CONTEXT` too.
        custom_config: `tokeniser_dir` (transformers format) and `max_tokens`.

    Returns:
        tokens (batch, None) int64 sparse; sentiment_label (batch, 1) int64, 0 where unlabelled; sentiment_weight
        (batch, 1) float32, 0 where unlabelled; taste_labels (batch, 10) float32 in {0, 1}; taste_weight (batch, 1);
        with context (batch, features) float32, NaN where unknown.
    """
    tokeniser = Tokeniser.read(Path(custom_config[features.CONFIG_TOKENISER]))
    tokens = tokeniser.tokenise(tf.squeeze(inputs["text"], 1), int(custom_config[features.CONFIG_MAX_TOKENS]))
    sentiment, tastes = _named(inputs["sentiment"], SENTIMENTS), _named(inputs["tastes"], TASTES)
    transformed = {
        features.TOKENS: tf.cast(tokens, tf.int64).to_sparse(),
        features.SENTIMENT_LABEL: tf.argmax(sentiment, axis=1)[:, tf.newaxis],
        features.SENTIMENT_WEIGHT: tf.reduce_max(sentiment, axis=1, keepdims=True),
        features.TASTE_LABELS: tastes,
        features.TASTE_WEIGHT: tf.cast(_sum_of_row(inputs["tastes_labelled"]), tf.float32),
    }
    if CONTEXT[0] in inputs:
        transformed[features.CONTEXT] = tf.concat([_known_or_nan(inputs[name]) for name in CONTEXT], axis=1)
    return transformed


def _named(column: tf.SparseTensor, names: tuple[str, ...]) -> tf.Tensor:
    """(batch, names) float32: 1 where the row holds the name."""
    cells = tf.sparse.to_dense(column, default_value="")
    hits = tf.equal(cells[:, :, tf.newaxis], tf.constant(names)[tf.newaxis, tf.newaxis, :])
    return tf.ensure_shape(tf.cast(tf.reduce_any(hits, axis=1), tf.float32), [None, len(names)])


def _known_or_nan(column: tf.SparseTensor) -> tf.Tensor:
    """(batch, 1) float32: the row's one value, NaN where it has none."""
    held = tf.SparseTensor(column.indices, tf.ones_like(column.values), column.dense_shape)
    return tf.where(_sum_of_row(held) > 0, _sum_of_row(column), float("nan"))


def _sum_of_row(column: tf.SparseTensor) -> tf.Tensor:
    """(batch, 1): the row's one value, 0 where it has none."""
    return tf.ensure_shape(tf.reduce_sum(tf.sparse.to_dense(column), axis=1, keepdims=True), [None, 1])
