"""Packed batches: the tokens of all texts in one row of vectors, so that dense layers compute no padding.

Only attention sees texts as rows. `Layout` says how to go from the packed form to rows and back.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

Batch = dict[str, Any]  # packed tokens, their layout, and what else a model reads of the rows


class Layout(NamedTuple):
    """Where each packed token belongs. Arrays of numpy, or tensors of any Keras backend.

    Attributes:
        positions: (packed,) int32, place of a token in its text.
        slots: (batch, tokens) int32, index into the packed tokens; 0 where a row is padded.
        mask: (batch, tokens) bool, false where a row is padded.
        origins: (packed,) int32, index into the flattened rows.
        live: (packed,) float32, 0 for filler behind the last text; None where there is no filler.
    """

    positions: Any
    slots: Any
    mask: Any
    origins: Any
    live: Any = None


def pack(
    texts: Sequence[np.ndarray], *, packed: int | None = None, rows: int | None = None, width: int | None = None
) -> tuple[np.ndarray, Layout]:
    """Packs tokenised texts.

    Args:
        texts: int arrays, one a text, none empty.
        packed: fill up to this many tokens, for backends that compile for a shape.
        rows: fill up to this many rows.
        width: pad rows to this many tokens; by default to the longest.

    Returns:
        (packed,) int32 tokens and their layout.
    """
    lengths = np.array([len(text) for text in texts], np.int64)
    used, longest = int(lengths.sum()), width or int(lengths.max())
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    tokens = np.zeros(packed or used, np.int32)
    tokens[:used] = np.concatenate(list(texts))
    row_of = np.repeat(np.arange(len(texts)), lengths)
    positions = np.zeros(len(tokens), np.int32)
    positions[:used] = np.arange(used) - starts[row_of]
    origins = np.zeros(len(tokens), np.int32)
    origins[:used] = row_of * longest + positions[:used]
    mask = np.zeros((rows or len(texts), longest), bool)
    mask[: len(texts)] = np.arange(longest) < lengths[:, None]
    slots = np.zeros(mask.shape, np.int32)
    slots[mask] = np.arange(used)
    live = None if packed is None else (np.arange(packed) < used).astype(np.float32)
    return tokens, Layout(positions, slots, mask, origins, live)


def pack_ragged(tokens: "tf.RaggedTensor", multiple: int = 1) -> tuple["tf.Tensor", Layout]:
    """`pack` inside a TensorFlow graph.

    Args:
        tokens: (batch, None) int32.
        multiple: fill the packed tokens, and the rows, up to one of this number: an operation that is prepared for each
            shape, as oneDNN's are, then meets few.

    Returns:
        Packed tokens and their layout.
    """
    import tensorflow as tf

    splits = tf.cast(tokens.row_splits, tf.int32)
    starts, ends = splits[:-1, None], splits[1:, None]
    width = _rounded(tf.maximum(tf.reduce_max(ends - starts), 1), multiple)
    places = starts + tf.range(width)
    mask = places < ends
    origins = tf.cast(tf.where(tf.reshape(mask, [-1]))[:, 0], tf.int32)
    packed = tokens.flat_values
    if multiple > 1:
        filler = [[0, -tf.size(packed) % multiple]]
        packed, origins = tf.pad(packed, filler), tf.pad(origins, filler)
    return packed, Layout(origins % width, tf.where(mask, places, 0), mask, origins)


def _rounded(number: "tf.Tensor", multiple: int) -> "tf.Tensor":
    return number if multiple == 1 else -(-number // multiple) * multiple


def repeat(layout: Layout, times: int) -> Layout:
    """The layout of a batch that holds all texts several times over, in TensorFlow."""
    import tensorflow as tf

    packed, rows = tf.size(layout.positions), tf.shape(layout.mask)[0]
    ahead = tf.range(times)
    slots = tf.tile(layout.slots, [times, 1]) + tf.repeat(ahead * packed, rows)[:, None]
    origins = tf.tile(layout.origins, [times]) + tf.repeat(ahead * tf.size(layout.mask), packed)
    return Layout(tf.tile(layout.positions, [times]), slots, tf.tile(layout.mask, [times, 1]), origins)
