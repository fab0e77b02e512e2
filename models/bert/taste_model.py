"""The taste model: one encoder, two heads (sentiment, tastes), a loss that ignores missing labels."""

from typing import Any

import keras
from keras import ops

from models.bert.context import ContextFusion
from models.bert.dropout import Dropout
from models.bert.encoder import BertEncoder, Linear
from models.bert.packing import Batch
from sazon.schema import SENTIMENTS, TASTES
from sazon.settings import EncoderSettings, TrainSettings

# The taste loss is a mean over ten labels of which most are absent; unscaled it would hardly be heard beside sentiment.
_TASTE_SHARE = 6.0

Logits = dict[str, Any]


class TasteModel(keras.Model):
    """Packed token ids to logits; trains on both tasks at once."""

    def __init__(
        self, vocabulary: int, size: EncoderSettings, settings: TrainSettings | None = None, products: str = "float32"
    ) -> None:
        """`settings` None makes a model that only answers; `products` is the dtype of matrix products."""
        super().__init__(name="taste")
        self.settings = settings or TrainSettings()
        self.encoder = BertEncoder(vocabulary, size, self.settings.dropout, products)
        self.dropout = Dropout(self.settings.dropout)
        self.sentiment_head = Linear(size.hidden, len(SENTIMENTS), "float32", "sentiment_head")
        self.taste_head = Linear(size.hidden, len(TASTES), "float32", "taste_head")
        self.context = ContextFusion(size.hidden) if self.settings.context else None
        self.built = True

    def call(self, batch: Batch, training: bool = False) -> Logits:
        """Classifies.

        Args:
            batch: `tokens` (packed,) int32 and their `layout`, as from `models.bert.packing.pack`; `context` (batch,
                features) float32 where there is any, see `models.bert.context`.
            training: whether dropout is on.

        Returns:
            Logits: `sentiment` (batch, 3) and `tastes` (batch, 10), float32.
        """
        first = self.encoder(batch["tokens"], layout=batch["layout"], training=training)
        return self.heads(self.fuse(self.encoder.pool(first), batch.get("context")), training=training)

    def fuse(self, pooled: keras.KerasTensor, context: keras.KerasTensor | None) -> keras.KerasTensor:
        """(batch, hidden) to the same, with what the context says; a model without fusion reads no context."""
        return pooled if self.context is None or context is None else self.context(pooled, context)

    def heads(self, pooled: keras.KerasTensor, training: bool = False) -> Logits:
        """(batch, hidden) to the logits of both tasks."""
        dropped = self.dropout(pooled, training=training)
        return {"sentiment": self.sentiment_head(dropped), "tastes": self.taste_head(dropped)}

    def objective(self, batch: Batch) -> keras.KerasTensor:
        """Cross-entropy of sentiment plus that of the tastes, over the labels that are there.

        Args:
            batch: beside the inputs `sentiment` (batch,) int32, `sentiment_weight` (batch,), `tastes` (batch, 10),
                `taste_weight` (batch,) and `positive_weight` (10,), all float32. Row weights add up to 1 over the
                batch and are 0 where a label is missing. With R-Drop each row stands there twice, in two halves.
        """
        logits = self(batch, training=True)
        smoothing = self.settings.label_smoothing
        target = ops.one_hot(batch["sentiment"], len(SENTIMENTS)) * (1 - smoothing) + smoothing / len(SENTIMENTS)
        of_sentiment = -ops.sum(target * ops.log_softmax(logits["sentiment"]), axis=-1)
        log_yes, log_no = ops.log_sigmoid(logits["tastes"]), ops.log_sigmoid(-logits["tastes"])
        tastes = batch["tastes"]
        of_tastes = -ops.mean(batch["positive_weight"] * tastes * log_yes + (1 - tastes) * log_no, axis=-1)
        loss = ops.sum(of_sentiment * batch["sentiment_weight"])
        loss = loss + _TASTE_SHARE * ops.sum(of_tastes * batch["taste_weight"])
        return loss + self.settings.rdrop * self._divergence(logits, batch) if self.settings.rdrop else loss

    def _divergence(self, logits: Logits, batch: Batch) -> keras.KerasTensor:
        """Symmetric Kullback-Leibler divergence of the two passes, mean over the batch.

        Source: Liang et al., "R-Drop" (2021).
        """
        one, two = ops.split(ops.log_softmax(logits["sentiment"]), 2)
        of_sentiment = ops.sum((ops.exp(one) - ops.exp(two)) * (one - two), axis=-1) / 2
        one, two = ops.split(logits["tastes"], 2)
        of_tastes = ops.mean((ops.sigmoid(one) - ops.sigmoid(two)) * (one - two), axis=-1) / 2
        rows = batch["row_weight"][: ops.shape(of_sentiment)[0]]
        return ops.sum(rows * (of_sentiment + _TASTE_SHARE * of_tastes))
