"""The taste model: one encoder, two heads (sentiment, tastes), losses that ignore missing labels."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from models.encoder import BertEncoder
from models.tokeniser import MASK_ID, PAD_ID, SEP_ID
from sazon.schema import SENTIMENTS, TASTES
from sazon.settings import EncoderSettings

# The taste loss is a mean over ten labels of which most are absent; unscaled it would hardly be heard beside sentiment.
_TASTE_SHARE = 6.0


@dataclass(frozen=True)
class LabelWeights:
    """Weights that balance rare labels: `sentiment` (3,) float32, `positive_tastes` (10,) float32."""

    sentiment: np.ndarray
    positive_tastes: np.ndarray


class TasteModel(keras.Model):
    """Token ids to logits; trains on both tasks at once."""

    def __init__(
        self,
        vocabulary: int,
        size: EncoderSettings,
        *,
        dropout: float = 0.1,
        token_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        weights: LabelWeights | None = None,
    ) -> None:
        super().__init__(name="taste")
        self.encoder = BertEncoder(vocabulary, size, dropout, name="encoder")
        self.dropout = keras.layers.Dropout(dropout)
        self.sentiment_head = keras.layers.Dense(len(SENTIMENTS), name="sentiment_head")
        self.taste_head = keras.layers.Dense(len(TASTES), name="taste_head")
        self.token_dropout, self.label_smoothing = token_dropout, label_smoothing
        self.seeds = keras.random.SeedGenerator()
        self.label_weights = weights or LabelWeights(
            np.ones(len(SENTIMENTS), np.float32), np.ones(len(TASTES), np.float32)
        )

    def call(self, tokens: keras.KerasTensor, training: bool = False) -> dict[str, keras.KerasTensor]:
        """Classifies.

        Args:
            tokens: (batch, tokens) int32, `PAD_ID` after the end.
            training: whether dropout is on.

        Returns:
            Logits: `sentiment` (batch, 3) and `tastes` (batch, 10), float32.
        """
        mask = ops.not_equal(tokens, PAD_ID)
        if training and self.token_dropout:
            tokens = self._drop_tokens(tokens)
        pooled = self.dropout(self.encoder(tokens, mask, training=training), training=training)
        return {"sentiment": self.sentiment_head(pooled), "tastes": self.taste_head(pooled)}

    def _drop_tokens(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        """Replaces some word pieces by [MASK], so that no single word decides."""
        chance = keras.random.uniform(ops.shape(tokens), seed=self.seeds)
        return ops.where((chance < self.token_dropout) & (tokens > SEP_ID), MASK_ID, tokens)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> keras.KerasTensor:
        """Mean loss over the labels that are there: cross-entropy of sentiment plus that of the tastes.

        Args:
            x: unused.
            y: `sentiment` (batch,) int, `sentiment_weight` (batch,), `tastes` (batch, 10), `taste_weight` (batch,).
            y_pred: logits as from `call`.
            sample_weight: unused; the masks are in `y`.
            training: whether labels are smoothed.
        """
        smoothing = self.label_smoothing if training else 0.0
        target = ops.one_hot(y["sentiment"], len(SENTIMENTS))
        balance = ops.take(ops.convert_to_tensor(self.label_weights.sentiment), y["sentiment"])
        smooth = target * (1 - smoothing) + smoothing / len(SENTIMENTS)
        of_sentiment = ops.categorical_crossentropy(smooth, y_pred["sentiment"], from_logits=True)
        tastes = ops.cast(y["tastes"], "float32")
        positive = ops.convert_to_tensor(self.label_weights.positive_tastes)
        log_yes, log_no = ops.log_sigmoid(y_pred["tastes"]), ops.log_sigmoid(-y_pred["tastes"])
        of_tastes = -ops.mean(positive * tastes * log_yes + (1 - tastes) * log_no, axis=-1)
        return _masked_mean(of_sentiment * balance, y["sentiment_weight"]) + _TASTE_SHARE * _masked_mean(
            of_tastes, y["taste_weight"]
        )


def _masked_mean(values: keras.KerasTensor, weight: keras.KerasTensor) -> keras.KerasTensor:
    """Mean over weighted rows; 0 where no row has weight."""
    return ops.sum(values * weight) / ops.maximum(ops.sum(weight), 1.0)
