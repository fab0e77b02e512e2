"""The BERT encoder in Keras 3 operations, over packed tokens; one code for training and for export.

Source: Devlin et al., "BERT" (2019); layers and parameters are the published ones, so that any BERT checkpoint fits.
What makes it fast: no padding in dense layers, one product for query, key and value, products in the hardware's best
precision, and in the last layer only what is read. Its short gradients are in `models.bert.functions`.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import keras
import numpy as np
from keras import ops

from models.bert.dropout import Dropout
from models.bert.functions import ACTIVATIONS, add_bias, gather, matmul, standardise, to_heads, to_packed
from models.bert.packing import Layout
from sazon.settings import EncoderSettings

_MASKED = -1e9
_STDDEV = 0.02

Weights = Mapping[str, np.ndarray]


def initializer() -> keras.initializers.Initializer:
    """BERT's: normal of 0.02, cut at two deviations."""
    return keras.initializers.TruncatedNormal(stddev=_STDDEV)


class Linear(keras.layers.Layer):
    """x·W + b and perhaps an activation; the product in the layer's compute dtype, the rest in float32."""

    stand_in: Callable[..., keras.KerasTensor] | None = None  # what an export computes instead

    def __init__(self, inputs: int, outputs: int, products: str, name: str, activation: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.products = products
        self.activation = ACTIVATIONS[activation] if activation else None
        self.kernel = self.add_weight((inputs, outputs), initializer=initializer(), name="kernel")
        self.bias = self.add_weight((outputs,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x: keras.KerasTensor, columns: slice = slice(None)) -> keras.KerasTensor:
        """(…, inputs) to (…, outputs), or only some `columns` of them."""
        return self.stand_in(x, columns) if self.stand_in else self.compute(x, columns)

    def compute(self, x: keras.KerasTensor, columns: slice) -> keras.KerasTensor:
        """As `call`, with the layer's own weights."""
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        if columns != slice(None):
            kernel, bias = kernel[:, columns], bias[columns]
        return self._affine(x, kernel, bias)

    def divided(
        self, left: keras.KerasTensor, right: keras.KerasTensor, at: int
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """The columns before `at` of one input and the others of another; cheaper to derive than two slices."""
        if self.stand_in:
            return self.stand_in(left, slice(None, at)), self.stand_in(right, slice(at, None))
        kernels = ops.split(ops.convert_to_tensor(self.kernel), [at], axis=1)
        biases = ops.split(ops.convert_to_tensor(self.bias), [at])
        return self._affine(left, kernels[0], biases[0]), self._affine(right, kernels[1], biases[1])

    def _affine(self, x: keras.KerasTensor, kernel: keras.KerasTensor, bias: keras.KerasTensor) -> keras.KerasTensor:
        y = add_bias(product(x, kernel, self.products), bias)
        return y if self.activation is None else self.activation(y)


def product(
    left: keras.KerasTensor, right: keras.KerasTensor, dtype: str, transposed: bool = False
) -> keras.KerasTensor:
    """Matrix product in `dtype`, given back in float32; the hardware accumulates bfloat16 in float32.

    `transposed` turns the last two axes of `right`.
    """
    if dtype == "float32":
        return matmul(left, right, transposed)
    return ops.cast(matmul(ops.cast(left, dtype), ops.cast(right, dtype), transposed), "float32")


class Norm(keras.layers.Layer):
    """Layer normalisation over the last axis."""

    stand_in: Callable[..., keras.KerasTensor] | None = None  # what an export computes instead

    def __init__(self, hidden: int, epsilon: float, name: str) -> None:
        super().__init__(name=name)
        self.epsilon = epsilon
        self.gamma = self.add_weight((hidden,), initializer="ones", name="gamma")
        self.beta = self.add_weight((hidden,), initializer="zeros", name="beta")
        self.built = True

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """(packed, hidden) float32 to the same."""
        return self.stand_in(x) if self.stand_in else standardise(x, self.epsilon) * self.gamma + self.beta


class TransformerLayer(keras.layers.Layer):
    """Self-attention and feed-forward, each with residual and norm after it."""

    def __init__(self, size: EncoderSettings, dropout: float, products: str, name: str) -> None:
        super().__init__(name=name)
        self.hidden, self.heads, self.products = size.hidden, size.heads, products
        self.head_size = size.hidden // size.heads
        self.qkv = Linear(size.hidden, 3 * size.hidden, products, "qkv")
        self.attended = Linear(size.hidden, size.hidden, products, "attended")
        self.attention_norm = Norm(size.hidden, size.norm_epsilon, "attention_norm")
        self.inner = Linear(size.hidden, size.intermediate, products, "inner", size.activation)
        self.outer = Linear(size.intermediate, size.hidden, products, "outer")
        self.output_norm = Norm(size.hidden, size.norm_epsilon, "output_norm")
        self.dropout = Dropout(dropout)
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
        query, key, value = ops.unstack(to_heads(self.qkv(hidden), layout, self.heads, self.head_size), 3)
        mixed = to_packed(self.attend(query, key, value, layout.mask), layout, self.heads, self.head_size)
        if reads is not None:
            mixed, hidden = gather(mixed, reads), gather(hidden, reads)
        return self.feed_forward(mixed, hidden, training)

    def first(self, hidden: keras.KerasTensor, layout: Layout, training: bool = False) -> keras.KerasTensor:
        """As `call`, for the first token of each text alone: (packed, hidden) to (batch, hidden)."""
        firsts = gather(hidden, layout.slots[:, 0])
        query, keys_values = self.qkv.divided(firsts, hidden, self.hidden)
        query = ops.reshape(query, (-1, self.heads, 1, self.head_size))
        key, value = ops.unstack(to_heads(keys_values, layout, self.heads, self.head_size), 2)
        mixed = self.attend(query, key, value, layout.mask)
        return self.feed_forward(ops.reshape(mixed, (-1, self.hidden)), firsts, training)

    def attend(
        self, query: keras.KerasTensor, key: keras.KerasTensor, value: keras.KerasTensor, mask: keras.KerasTensor
    ) -> keras.KerasTensor:
        """(batch, heads, queries, head size), twice (batch, heads, tokens, head size) to the first's shape."""
        scores = product(query, key, self.products, transposed=True) * self.head_size**-0.5
        scores = scores + ops.where(mask, 0.0, _MASKED)[:, None, None, :]
        return product(ops.softmax(scores), value, self.products)

    def feed_forward(
        self, mixed: keras.KerasTensor, hidden: keras.KerasTensor, training: bool = False
    ) -> keras.KerasTensor:
        """What follows attention: twice (…, hidden) to (…, hidden)."""
        hidden = self.attention_norm(hidden + self.dropout(self.attended(mixed), training=training))
        return self.output_norm(hidden + self.dropout(self.outer(self.inner(hidden)), training=training))


class BertEncoder(keras.layers.Layer):
    """Packed token ids to vectors."""

    def __init__(self, vocabulary: int, size: EncoderSettings, dropout: float, products: str = "float32") -> None:
        super().__init__(name="encoder")
        self.size = size
        self.words = self.add_weight((vocabulary, size.hidden), initializer=initializer(), name="words")
        self.positions = self.add_weight((size.positions, size.hidden), initializer=initializer(), name="positions")
        self.norm = Norm(size.hidden, size.norm_epsilon, "norm")
        self.dropout = Dropout(dropout)
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
        return self.encode(gather(ops.convert_to_tensor(self.words), tokens), layout, reads, training)

    def encode(
        self,
        words: keras.KerasTensor,
        layout: Layout,
        reads: Literal["first", "all"] | keras.KerasTensor = "first",
        training: bool = False,
    ) -> keras.KerasTensor:
        """As `call`, from word vectors, (packed, hidden) float32."""
        hidden = self.norm(words + gather(ops.convert_to_tensor(self.positions), layout.positions))
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
