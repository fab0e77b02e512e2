"""BERT's masked language model: an encoder that guesses hidden tokens."""

from collections.abc import Mapping
from typing import Any, Final

import keras
import numpy as np
from keras import ops

from models.encoder import BertEncoder, Linear, Norm, product
from models.engine import Batch
from models.functions import ACTIVATIONS
from models.weights import array, dump_encoder, linear, load_encoder, norm
from sazon.settings import EncoderSettings

_HEAD: Final = "cls.predictions"


class MaskedLanguageModel(keras.Model):
    """Packed token ids to guesses at some of them; the table of words is also the output layer."""

    def __init__(self, vocabulary: int, size: EncoderSettings, dropout: float, products: str = "float32") -> None:
        """`products` is the dtype of matrix products."""
        super().__init__(name="masked_language_model")
        self.products = products
        self.encoder = BertEncoder(vocabulary, size, dropout, products)
        self.encoder.pooler.trainable = False  # nothing here reads it; decay alone would shrink it
        self.transform = Linear(size.hidden, size.hidden, products, "transform")
        self.activation = ACTIVATIONS[size.activation]
        self.norm = Norm(size.hidden, size.norm_epsilon, "transform_norm")
        self.bias = self.add_weight((vocabulary,), initializer="zeros", name="bias")
        self.built = True

    def logits(self, batch: Batch, training: bool = False) -> keras.KerasTensor:
        """Scores of the vocabulary for each token to guess.

        Args:
            batch: `tokens` (packed,) int32, their `layout`, and `reads` (reads,) int32, the places to guess.
            training: whether dropout is on.

        Returns:
            (reads, vocabulary) float32.
        """
        hidden = self.encoder(batch["tokens"], layout=batch["layout"], reads=batch["reads"], training=training)
        hidden = self.norm(self.activation(self.transform(hidden)))
        words = ops.transpose(ops.convert_to_tensor(self.encoder.words))
        return product(hidden, words, self.products) + self.bias

    def call(self, batch: Batch, training: bool = False) -> dict[str, Any]:
        """How good the guesses are.

        Args:
            batch: as in `logits`, with `targets` (reads,) int32.
            training: whether dropout is on.

        Returns:
            `loss` (reads,) float32, cross-entropy in nats; `hit` (reads,) bool, whether the first guess is right.
        """
        logits = self.logits(batch, training=training)
        loss = ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)
        return {"loss": loss, "hit": ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), batch["targets"])}

    def objective(self, batch: Batch) -> keras.KerasTensor:
        """Mean cross-entropy; `weights` (reads,) float32 of the batch add up to 1, and are 0 for filler."""
        logits = self.logits(batch, training=True)
        loss = ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)
        return ops.sum(loss * batch["weights"])


def load_masked_language_model(model: MaskedLanguageModel, weights: Mapping[str, np.ndarray]) -> None:
    """Sets the encoder, and the head where the checkpoint has one.

    Args:
        model: of the checkpoint's size.
        weights: float32, named as in transformers without "bert.".
    """
    load_encoder(model.encoder, weights)
    for name, variable in _head(model).items():
        if name in weights:
            variable.assign(weights[name].T if name.endswith("dense.weight") else weights[name])


def dump_masked_language_model(model: MaskedLanguageModel) -> dict[str, np.ndarray]:
    """The weights of transformers' BertForMaskedLM without "bert."; the output layer is the table of words."""
    head = {
        name: array(variable).T if name.endswith("dense.weight") else array(variable)
        for name, variable in _head(model).items()
    }
    return dump_encoder(model.encoder) | {name: np.ascontiguousarray(value) for name, value in head.items()}


def _head(model: MaskedLanguageModel) -> dict[str, keras.Variable]:
    found = linear(f"{_HEAD}.transform.dense", model.transform) | norm(f"{_HEAD}.transform.LayerNorm", model.norm)
    return found | {f"{_HEAD}.bias": model.bias}
