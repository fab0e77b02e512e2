"""BERT's masked language model: an encoder that guesses hidden tokens."""

from collections.abc import Mapping
from typing import Any, Final

import keras
import numpy as np
from keras import ops

from models.bert.encoder import BertEncoder, Linear, Norm, product
from models.bert.functions import ACTIVATIONS
from models.bert.packing import Batch
from models.bert.weights import array, dump_encoder, linear, load_encoder, norm
from sazon.settings import EncoderSettings

_HEAD: Final = "cls.predictions"


class MaskedLanguageModel(keras.Model):
    """Packed token ids to guesses at some of them; the table of words is also the output layer.

    With `bag_weight` the pooled [CLS] vector, which a classifier will read, has to tell which words the text holds.

    Source: Ma et al., "Drop your Decoder: Pre-training with Bag-of-Word Prediction" (2024), for the second task.
    """

    def __init__(
        self,
        vocabulary: int,
        size: EncoderSettings,
        dropout: float,
        products: str = "float32",
        bag_weight: float = 0.0,
    ) -> None:
        """`products` is the dtype of matrix products."""
        super().__init__(name="masked_language_model")
        self.products, self.bag_weight = products, bag_weight
        self.encoder = BertEncoder(vocabulary, size, dropout, products)
        if bag_weight:
            self.bag_bias = self.add_weight((vocabulary,), initializer="zeros", name="bag_bias")
        else:
            self.encoder.pooler.trainable = False  # nothing here reads it; decay alone would shrink it
        self.transform = Linear(size.hidden, size.hidden, products, "transform")
        self.activation = ACTIVATIONS[size.activation]
        self.norm = Norm(size.hidden, size.norm_epsilon, "transform_norm")
        self.bias = self.add_weight((vocabulary,), initializer="zeros", name="bias")
        self.built = True

    def logits(self, batch: Batch, training: bool = False) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Scores of the vocabulary.

        Args:
            batch: `tokens` (packed,) int32, their `layout`, and `reads` (reads,) int32, the places to guess.
            training: whether dropout is on.

        Returns:
            For each token to guess (reads, vocabulary), and for each text (batch, vocabulary), float32.
        """
        layout = batch["layout"]
        reads = ops.concatenate([batch["reads"], layout.slots[:, 0]])
        hidden = self.encoder(batch["tokens"], layout=layout, reads=reads, training=training)
        guesses, firsts = hidden[: ops.shape(batch["reads"])[0]], hidden[ops.shape(batch["reads"])[0] :]
        guesses = self.norm(self.activation(self.transform(guesses)))
        return self._scores(guesses) + self.bias, self._scores(self.encoder.pool(firsts))

    def _scores(self, vectors: keras.KerasTensor) -> keras.KerasTensor:
        return product(vectors, ops.transpose(ops.convert_to_tensor(self.encoder.words)), self.products)

    def call(self, batch: Batch, training: bool = False) -> dict[str, Any]:
        """How good the guesses are.

        Args:
            batch: as in `logits`, with `targets` (reads,) int32.
            training: whether dropout is on.

        Returns:
            `loss` (reads,) float32, cross-entropy in nats; `hit` (reads,) bool, whether the first guess is right.
        """
        logits, _ = self.logits(batch, training=training)
        loss = ops.sparse_categorical_crossentropy(batch["targets"], logits, from_logits=True)
        return {"loss": loss, "hit": ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), batch["targets"])}

    def objective(self, batch: Batch) -> keras.KerasTensor:
        """Mean cross-entropy of the guesses, and of the words of each text where `bag_weight` is not 0.

        Args:
            batch: as in `call`, with `weights` (reads,) float32 that add up to 1 and are 0 for filler; `words`
                (packed,) int32, the tokens as they were, `rows` (packed,) int32, the text of each, and `word_weights`
                (packed,) float32, which add up to 1 and are 0 for special tokens and filler.
        """
        guesses, bags = self.logits(batch, training=True)
        loss = ops.sparse_categorical_crossentropy(batch["targets"], guesses, from_logits=True)
        loss = ops.sum(loss * batch["weights"])
        if not self.bag_weight:
            return loss
        scores = ops.reshape(ops.log_softmax(bags + self.bag_bias), (-1,))
        found = ops.take(scores, batch["rows"] * ops.shape(bags)[1] + batch["words"])
        return loss - self.bag_weight * ops.sum(found * batch["word_weights"])


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
