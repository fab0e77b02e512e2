"""The BERT encoder in Keras 3 operations: post-norm transformer, fused QKV, [CLS] alone in the last layer.

Source: Devlin et al., "BERT" (2019); the layer layout is the published one.
"""

import keras
from keras import ops

from sazon.settings import EncoderSettings

_NORM_EPSILON = 1e-12
_MASKED = -1e9


def _initializer() -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=0.02)


class Embeddings(keras.layers.Layer):
    """Word plus position embeddings, normalised."""

    def __init__(self, vocabulary: int, size: EncoderSettings, dropout: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.words = keras.layers.Embedding(vocabulary, size.hidden, embeddings_initializer=_initializer())
        self.positions = keras.layers.Embedding(size.max_tokens, size.hidden, embeddings_initializer=_initializer())
        self.norm = keras.layers.LayerNormalization(epsilon=_NORM_EPSILON)
        self.dropout = keras.layers.Dropout(dropout)

    def call(self, tokens: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """(batch, tokens) int32 to (batch, tokens, hidden) float32."""
        places = ops.arange(ops.shape(tokens)[1])
        return self.dropout(self.norm(self.words(tokens) + self.positions(places)), training=training)


class TransformerLayer(keras.layers.Layer):
    """Self-attention and feed-forward, each with residual and norm after.

    With `cls_only` the queries, and so the output, are those of the first token: what a classifier reads.
    """

    def __init__(self, size: EncoderSettings, dropout: float, cls_only: bool, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.heads, self.head_size, self.cls_only = size.heads, size.hidden // size.heads, cls_only

        def dense(units: int, activation: str | None = None) -> keras.layers.Dense:
            return keras.layers.Dense(units, activation=activation, kernel_initializer=_initializer())

        self.qkv = dense(3 * size.hidden)
        self.attended = dense(size.hidden)
        self.attention_norm = keras.layers.LayerNormalization(epsilon=_NORM_EPSILON)
        self.inner = dense(size.intermediate, "gelu")
        self.outer = dense(size.hidden)
        self.output_norm = keras.layers.LayerNormalization(epsilon=_NORM_EPSILON)
        self.dropout = keras.layers.Dropout(dropout)

    def call(self, hidden: keras.KerasTensor, mask: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Encodes.

        Args:
            hidden: (batch, tokens, hidden) float32.
            mask: (batch, tokens) bool, true where a token is.
            training: whether dropout is on.

        Returns:
            (batch, tokens, hidden) float32, or (batch, 1, hidden) with `cls_only`.
        """
        query, key, value = ops.split(self._heads_first(self.qkv(hidden)), 3, axis=2)
        if self.cls_only:
            query, hidden = query[:, :, :, :1], hidden[:, :1]
        query, key, value = (ops.squeeze(part, 2) for part in (query, key, value))
        scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / self.head_size**0.5
        scores = scores + ops.where(mask, 0.0, _MASKED)[:, None, None, :]
        mixed = ops.swapaxes(ops.matmul(ops.softmax(scores), value), 1, 2)
        mixed = ops.reshape(mixed, ops.shape(hidden))
        hidden = self.attention_norm(hidden + self.dropout(self.attended(mixed), training=training))
        return self.output_norm(hidden + self.dropout(self.outer(self.inner(hidden)), training=training))

    def _heads_first(self, qkv: keras.KerasTensor) -> keras.KerasTensor:
        """(batch, tokens, 3·hidden) to (batch, heads, 3, tokens, head size)."""
        batch, tokens = ops.shape(qkv)[0], ops.shape(qkv)[1]
        apart = ops.reshape(qkv, (batch, tokens, 3, self.heads, self.head_size))
        return ops.transpose(apart, (0, 3, 2, 1, 4))


class BertEncoder(keras.layers.Layer):
    """Token ids to one vector a text."""

    def __init__(self, vocabulary: int, size: EncoderSettings, dropout: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.embeddings = Embeddings(vocabulary, size, dropout, name="embeddings")
        self.layers = [
            TransformerLayer(size, dropout, cls_only=index == size.layers - 1, name=f"layer_{index}")
            for index in range(size.layers)
        ]
        self.pooler = keras.layers.Dense(
            size.hidden, activation="tanh", kernel_initializer=_initializer(), name="pooler"
        )

    def call(self, tokens: keras.KerasTensor, mask: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Encodes.

        Args:
            tokens: (batch, tokens) int32; padding may hold any valid id.
            mask: (batch, tokens) bool, true where a token is.
            training: whether dropout is on.

        Returns:
            (batch, hidden) float32, in [-1, 1].
        """
        hidden = self.embeddings(tokens, training=training)
        for layer in self.layers:
            hidden = layer(hidden, mask, training=training)
        return self.pooler(hidden[:, 0])
