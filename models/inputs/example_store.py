"""Tokenised, labelled rows on disk, read row by row: memory stays flat however many there are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from data.context import CONTEXT
from models.inputs import features
from sazon.schema import TASTES

UNLABELLED = -1
_ROW = np.dtype(
    [
        ("start", np.int64),
        ("length", np.int32),
        ("sentiment", np.int8),
        ("tastes_labelled", np.bool_),
        ("tastes", np.bool_, (len(TASTES),)),
    ]
)
_READ_ROWS = 1024


@dataclass(frozen=True)
class TokenisedRows:
    """Some rows: token ids, `sentiment` (rows,) int8 (-1: unlabelled), `tastes` (rows, 10), `tastes_labelled`.

    `context` (rows, features) float32, NaN where nothing is known; None where rows are only texts.
    """

    tokens: Sequence[np.ndarray]
    sentiment: np.ndarray
    tastes: np.ndarray
    tastes_labelled: np.ndarray
    context: np.ndarray | None = None


class ExampleStore:
    """Rows in the order in which they were written."""

    def __init__(self, folder: Path) -> None:
        """Opens what `write` made."""
        self.folder = folder
        self.rows: np.ndarray = _map(folder / "rows.bin", _ROW)
        self._tokens: np.ndarray = _map(folder / "tokens.bin", np.dtype(np.int32))
        context = _map(folder / "context.bin", np.dtype(np.float32)).reshape(-1, len(CONTEXT))
        self.context: np.ndarray | None = context if len(context) else None

    @classmethod
    def write(cls, folder: Path, parts: Iterable[TokenisedRows]) -> Self:
        """Writes rows part by part and opens the result."""
        folder.mkdir(parents=True, exist_ok=True)
        start = 0
        rows_path, tokens_path, context_path = (folder / f"{name}.bin" for name in ("rows", "tokens", "context"))
        with (
            rows_path.open("wb") as rows_file,
            tokens_path.open("wb") as tokens_file,
            context_path.open("wb") as context,
        ):
            for part in parts:
                rows = np.zeros(len(part.tokens), _ROW)
                rows["length"] = [len(tokens) for tokens in part.tokens]
                rows["start"] = start + np.cumsum(rows["length"]) - rows["length"]
                rows["sentiment"], rows["tastes"] = part.sentiment, part.tastes
                rows["tastes_labelled"] = part.tastes_labelled
                start += int(rows["length"].sum())
                rows.tofile(rows_file)
                if part.context is not None:
                    part.context.astype(np.float32).tofile(context)
                np.concatenate([*part.tokens, np.zeros(0, np.int32)]).astype(np.int32).tofile(tokens_file)
        return cls(folder)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) int32, tokens of each row."""
        return np.ascontiguousarray(self.rows["length"])

    def tokens(self, row: int) -> np.ndarray:
        """(length,) int32, a copy."""
        start = int(self.rows["start"][row])
        return np.array(self._tokens[start : start + int(self.rows["length"][row])])


def _map(path: Path, dtype: np.dtype) -> np.ndarray:
    return np.memmap(path, dtype, mode="r") if path.stat().st_size else np.zeros(0, dtype)


def read_examples(files: Sequence[Path], *, context: bool = False) -> Iterator[TokenisedRows]:
    """Streams gzipped TFRecords that Transform wrote, with the rows' context if asked for."""
    import tensorflow as tf

    spec = {
        features.TOKENS: tf.io.VarLenFeature(tf.int64),
        features.SENTIMENT_LABEL: tf.io.FixedLenFeature([1], tf.int64),
        features.SENTIMENT_WEIGHT: tf.io.FixedLenFeature([1], tf.float32),
        features.TASTE_LABELS: tf.io.FixedLenFeature([len(TASTES)], tf.float32),
        features.TASTE_WEIGHT: tf.io.FixedLenFeature([1], tf.float32),
    }
    if context:
        spec[features.CONTEXT] = tf.io.FixedLenFeature([len(CONTEXT)], tf.float32)
    records = tf.data.TFRecordDataset([str(path) for path in files], compression_type="GZIP")
    for batch in records.batch(_READ_ROWS).map(lambda batch: tf.io.parse_example(batch, spec)).prefetch(2):
        ragged = tf.RaggedTensor.from_sparse(batch[features.TOKENS])
        label, weight = (batch[name].numpy()[:, 0] for name in (features.SENTIMENT_LABEL, features.SENTIMENT_WEIGHT))
        yield TokenisedRows(
            np.split(ragged.flat_values.numpy(), ragged.row_splits.numpy()[1:-1]),
            np.where(weight > 0, label, UNLABELLED),
            batch[features.TASTE_LABELS].numpy() > 0,
            batch[features.TASTE_WEIGHT].numpy()[:, 0] > 0,
            batch[features.CONTEXT].numpy() if context else None,
        )
