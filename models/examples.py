"""Reading of transformed examples and batching them by length, so that little time goes to padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from models import features
from models.tokeniser import PAD_ID
from sazon.schema import TASTES

_LENGTH_STEP = 8  # batches are padded to a multiple of this, so that shapes repeat
_WINDOW_BATCHES = 24  # texts are sorted by length within windows of so many batches


@dataclass(frozen=True)
class Examples:
    """A split in memory, ragged tokens and arrays aligned by row."""

    tokens: list[np.ndarray]
    sentiment: np.ndarray
    sentiment_weight: np.ndarray
    tastes: np.ndarray
    taste_weight: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    def targets(self, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Labels and masks of some rows, as the model's loss reads them."""
        return {
            "sentiment": self.sentiment[rows],
            "sentiment_weight": self.sentiment_weight[rows],
            "tastes": self.tastes[rows],
            "taste_weight": self.taste_weight[rows],
        }


def read_examples(files: Sequence[Path]) -> Examples:
    """Reads gzipped TFRecords that Transform wrote."""
    spec = {
        features.TOKENS: tf.io.VarLenFeature(tf.int64),
        features.SENTIMENT_LABEL: tf.io.FixedLenFeature([1], tf.int64),
        features.SENTIMENT_WEIGHT: tf.io.FixedLenFeature([1], tf.float32),
        features.TASTE_LABELS: tf.io.FixedLenFeature([len(TASTES)], tf.float32),
        features.TASTE_WEIGHT: tf.io.FixedLenFeature([1], tf.float32),
    }
    records = tf.data.TFRecordDataset([str(path) for path in files], compression_type="GZIP")
    batches = list(records.batch(1024).map(lambda batch: tf.io.parse_example(batch, spec)))

    def column(name: str) -> np.ndarray:
        return np.concatenate([batch[name].numpy() for batch in batches])

    ragged = (tf.RaggedTensor.from_sparse(batch[features.TOKENS]).to_list() for batch in batches)
    tokens = [np.array(row, np.int32) for rows in ragged for row in rows]
    return Examples(
        tokens,
        column(features.SENTIMENT_LABEL)[:, 0].astype(np.int32),
        column(features.SENTIMENT_WEIGHT)[:, 0],
        column(features.TASTE_LABELS),
        column(features.TASTE_WEIGHT)[:, 0],
    )


def pad(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks rows of tokens to (batch, tokens) int32, tokens a multiple of 8."""
    longest = max(len(row) for row in rows)
    width = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
    padded = np.full((len(rows), width), PAD_ID, np.int32)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded


def batch_rows(lengths: np.ndarray, batch_size: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    """Groups row numbers into batches of like length.

    Args:
        lengths: (rows,) int, tokens of each row.
        batch_size: rows a batch; the last one may be smaller.
        rng: shuffles rows between windows and the order of batches; None keeps everything sorted by length.
    """
    if rng is None:
        order = np.argsort(lengths, kind="stable")
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    shuffled = rng.permutation(len(lengths))
    window = batch_size * _WINDOW_BATCHES
    batches = []
    for start in range(0, len(shuffled), window):
        rows = shuffled[start : start + window]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]


def training_dataset(examples: Examples, batch_size: int, seed: int) -> tf.data.Dataset:
    """Endless epochs-worth of batches for `fit`: each iteration over the dataset is one epoch in a new order.

    Its cardinality is stated: Keras otherwise ends every epoch with a phantom partial step.
    """
    lengths = np.array([len(row) for row in examples.tokens])
    rng = np.random.default_rng(seed)

    def batches() -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        for rows in batch_rows(lengths, batch_size, rng):
            yield pad([examples.tokens[row] for row in rows]), examples.targets(rows)

    dataset = tf.data.Dataset.from_generator(batches, output_signature=_signature())
    steps = len(batch_rows(lengths, batch_size, np.random.default_rng(0)))
    return dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(8)


def _signature() -> tuple[tf.TensorSpec, dict[str, tf.TensorSpec]]:
    return tf.TensorSpec((None, None), tf.int32), {
        "sentiment": tf.TensorSpec((None,), tf.int32),
        "sentiment_weight": tf.TensorSpec((None,), tf.float32),
        "tastes": tf.TensorSpec((None, len(TASTES)), tf.float32),
        "taste_weight": tf.TensorSpec((None,), tf.float32),
    }
