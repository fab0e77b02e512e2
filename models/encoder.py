"""The BERT encoder in Keras 3 operations, over packed tokens; one code for training and for export.

Source: Devlin et al., "BERT" (2019); layers and parameters are the published ones, so that any BERT checkpoint fits.
What makes it fast: no padding in dense layers, one product for query, key and value, products in the hardware's best
precision, and in the last layer only what is read. Its short gradients are in `models.functions`.
"""

from collections.abc import Mapping
from typing import Literal

import keras
import numpy as np
from keras import ops

from models.functions import ACTIVATIONS, standardise, to_packed, to_rows
from models.packing import Layout
from sazon.settings import EncoderSettings

_MASKED = -1e9
_STDDEV = 0.02

Weights = Mapping[str, np.ndarray]


def initializer() -> keras.initializers.Initializer:
    """BERT's: normal of 0.02, cut at two deviations."""
    return keras.initializers.TruncatedNormal(stddev=_STDDEV)


class Linear(keras.layers.Layer):
    """x·W + b, the product in the layer's compute dtype, the sum and the result in float32."""

    def __init__(self, inputs: int, outputs: int, products: str, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.products = products
        self.kernel = self.add_weight((inputs, outputs), initializer=initializer(), name="kernel")
        self.bias = self.add_weight((outputs,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x: keras.KerasTensor, columns: slice = slice(None)) -> keras.KerasTensor:
        """(…, inputs) to (…, outputs), or only some `columns` of them."""
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        if columns != slice(None):
            kernel, bias = kernel[:, columns], bias[columns]
        return product(x, kernel, self.products) + bias


def product(left: keras.KerasTensor, right: keras.KerasTensor, dtype: str) -> keras.KerasTensor:
    """Matrix product in `dtype`, given back in float32; the hardware accumulates bfloat16 in float32."""
    if dtype == "float32":
        return ops.matmul(left, right)
    return ops.cast(ops.matmul(ops.cast(left, dtype), ops.cast(right, dtype)), "float32")


class Norm(keras.layers.Layer):
    """Layer normalisation over the last axis."""

    def __init__(self, hidden: int, epsilon: float, name: str) -> None:
        super().__init__(name=name)
        self.epsilon = epsilon
        self.gamma = self.add_weight((hidden,), initializer="ones", name="gamma")
        self.beta = self.add_weight((hidden,), initializer="zeros", name="beta")
        self.built = True

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """(packed, hidden) float32 to the same."""
        return standardise(x, self.epsilon) * self.gamma + self.beta


class TransformerLayer(keras.layers.Layer):
    """Self-attention and feed-forward, each with residual and norm after it."""

    def __init__(self, size: EncoderSettings, dropout: float, products: str, name: str) -> None:
        super().__init__(name=name)
        self.hidden, self.heads, self.products = size.hidden, size.heads, products
        self.qkv = Linear(size.hidden, 3 * size.hidden, products, "qkv")
        self.attended = Linear(size.hidden, size.hidden, products, "attended")
        self.attention_norm = Norm(size.hidden, size.norm_epsilon, "attention_norm")
        self.inner = Linear(size.hidden, size.intermediate, products, "inner")
        self.activation = ACTIVATIONS[size.activation]
        self.outer = Linear(size.intermediate, size.hidden, products, "outer")
        self.output_norm = Norm(size.hidden, size.norm_epsilon, "output_norm")
        self.dropout = keras.layers.Dropout(dropout)
        self.built = True

    def call(
        self, hidden: keras.KerasTensor, layout: Layout, reads: keras.KerasTensor | None = None, training: bool = False
    ) -> keras.KerasTensor:
        """Encodes.

        Args:
            hidden: (packed, hidden) float32.
            layout: of the packed tokens.
            reads: (reads,) int32, the packed tokens whose output is wanted; None for all.
            training: whether dropout is on.

        Returns:
            (packed, hidden) float32, or (reads, hidden).
        """
        mixed = to_packed(self.attend(*ops.split(to_rows(self.qkv(hidden), layout), 3, axis=-1), layout.mask), layout)
        if reads is not None:
            mixed, hidden = ops.take(mixed, reads, axis=0), ops.take(hidden, reads, axis=0)
        return self.feed_forward(mixed, hidden, training)

    def first(self, hidden: keras.KerasTensor, layout: Layout, training: bool = False) -> keras.KerasTensor:
        """As `call`, for the first token of each text alone: (packed, hidden) to (batch, hidden)."""
        firsts = ops.take(hidden, layout.slots[:, 0], axis=0)
        query = self.qkv(firsts, columns=slice(None, self.hidden))
        key, value = ops.split(to_rows(self.qkv(hidden, columns=slice(self.hidden, None)), layout), 2, axis=-1)
        mixed = self.attend(query[:, None], key, value, layout.mask)
        return self.feed_forward(mixed[:, 0], firsts, training)

    def attend(
        self, query: keras.KerasTensor, key: keras.KerasTensor, value: keras.KerasTensor, mask: keras.KerasTensor
    ) -> keras.KerasTensor:
        """(batch, queries, hidden) and twice (batch, tokens, hidden) to (batch, queries, hidden)."""
        query, key, value = (self._heads_first(part) for part in (query, key, value))
        scores = product(query, ops.swapaxes(key, -1, -2), self.products) * (self.hidden // self.heads) ** -0.5
        scores = scores + ops.where(mask, 0.0, _MASKED)[:, None, None, :]
        mixed = ops.transpose(product(ops.softmax(scores), value, self.products), (0, 2, 1, 3))
        return ops.reshape(mixed, (-1, ops.shape(mixed)[1], self.hidden))

    def feed_forward(
        self, mixed: keras.KerasTensor, hidden: keras.KerasTensor, training: bool = False
    ) -> keras.KerasTensor:
        """What follows attention: twice (…, hidden) to (…, hidden)."""
        hidden = self.attention_norm(hidden + self.dropout(self.attended(mixed), training=training))
        inner = self.activation(self.inner(hidden))
        return self.output_norm(hidden + self.dropout(self.outer(inner), training=training))

    def _heads_first(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """(batch, tokens, hidden) to (batch, heads, tokens, head size)."""
        apart = ops.reshape(x, (-1, ops.shape(x)[1], self.heads, self.hidden // self.heads))
        return ops.transpose(apart, (0, 2, 1, 3))


class BertEncoder(keras.layers.Layer):
    """Packed token ids to vectors."""

    def __init__(self, vocabulary: int, size: EncoderSettings, dropout: float, products: str = "float32") -> None:
        super().__init__(name="encoder")
        self.size = size
        self.words = self.add_weight((vocabulary, size.hidden), initializer=initializer(), name="words")
        self.positions = self.add_weight((size.positions, size.hidden), initializer=initializer(), name="positions")
        self.norm = Norm(size.hidden, size.norm_epsilon, "norm")
        self.dropout = keras.layers.Dropout(dropout)
        self.layers = [TransformerLayer(size, dropout, products, f"layer_{index}") for index in range(size.layers)]
        self.pooler = Linear(size.hidden, size.hidden, products, "pooler")
        self.built = True

    def call(
        self,
        tokens: keras.KerasTensor,
        layout: Layout,
        reads: Literal["first", "all"] | keras.KerasTensor = "first",
        training: bool = False,
    ) -> keras.KerasTensor:
        """Encodes.

        Args:
            tokens: (packed,) int32.
            layout: of the packed tokens.
            reads: which vectors of the last layer are wanted: the first of each text, all, or (reads,) int32.
            training: whether dropout is on.

        Returns:
            (batch, hidden), (packed, hidden) or (reads, hidden) float32.
        """
        return self.encode(ops.take(self.words, tokens, axis=0), layout, reads, training)

    def encode(
        self,
        words: keras.KerasTensor,
        layout: Layout,
        reads: Literal["first", "all"] | keras.KerasTensor = "first",
        training: bool = False,
    ) -> keras.KerasTensor:
        """As `call`, from word vectors, (packed, hidden) float32."""
        hidden = self.norm(words + ops.take(self.positions, layout.positions, axis=0))
        hidden = self.dropout(hidden, training=training)
        *lower, last = self.layers
        for layer in lower:
            hidden = layer(hidden, layout, training=training)
        if isinstance(reads, str):
            if reads == "first":
                return last.first(hidden, layout, training=training)
            return last(hidden, layout, training=training)
        return last(hidden, layout, reads=reads, training=training)

    def pool(self, first: keras.KerasTensor) -> keras.KerasTensor:
        """BERT's pooled output, (batch, hidden) in [-1, 1], from the first vectors."""
        return ops.tanh(self.pooler(first))
