"""The SavedModel that is evaluated, registered and served: text in, labels out, everything in the graph."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft

from models import features
from models.taste_model import TasteModel
from models.tokeniser import PAD_ID, tokenise
from sazon.schema import (
    INPUT_TEXT,
    OUTPUT_SENTIMENT,
    OUTPUT_SENTIMENT_PROBS,
    OUTPUT_TASTE_PROBS,
    OUTPUT_TASTES,
    SENTIMENTS,
    TASTE_SEPARATOR,
    TASTES,
)

SERVING_SIGNATURE = "serving_default"
EVALUATION_SIGNATURE = "evaluate"
TRANSFORM_SIGNATURE = "transform_features"

_LABELS = (
    features.SENTIMENT_LABEL,
    features.SENTIMENT_WEIGHT,
    features.TASTE_LABELS,
    features.TASTE_WEIGHT,
)


class TasteExport(tf.Module):
    """Holds the Keras 3 model and Transform's Keras 2 layer side by side, which neither framework would."""

    def __init__(
        self,
        model: TasteModel,
        transform: tft.TFTransformOutput,
        vocabulary: Sequence[str],
        max_tokens: int,
        thresholds: Sequence[float],
    ) -> None:
        super().__init__()
        self.model = model
        self.transform_layer = transform.transform_features_layer()
        self._raw_spec = transform.raw_feature_spec()
        self._vocabulary, self._max_tokens = tuple(vocabulary), max_tokens
        self._thresholds = tf.constant(thresholds, tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=INPUT_TEXT)])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) string to labels and probabilities, as named in `sazon.schema`."""
        sentiment, tastes = self._probabilities(text)
        over = tastes >= self._thresholds
        joined = tf.strings.reduce_join(tf.ragged.boolean_mask(self._names(over), over), axis=1, separator=TASTE_SEPARATOR)
        return {
            OUTPUT_SENTIMENT: tf.gather(tf.constant(SENTIMENTS), tf.argmax(sentiment, axis=1)),
            OUTPUT_SENTIMENT_PROBS: sentiment,
            OUTPUT_TASTES: joined,
            OUTPUT_TASTE_PROBS: tastes,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) serialised raw tf.Example to probabilities, for the Evaluator."""
        text = tf.io.parse_example(examples, {INPUT_TEXT: self._raw_spec[INPUT_TEXT]})[INPUT_TEXT]
        sentiment, tastes = self._probabilities(tf.reshape(text, [-1]))
        return {OUTPUT_SENTIMENT_PROBS: sentiment, OUTPUT_TASTE_PROBS: tastes}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) serialised raw tf.Example to label ids and masks, for the Evaluator."""
        transformed = self.transform_layer(tf.io.parse_example(examples, self._raw_spec))
        return {name: transformed[name] for name in _LABELS}

    def _probabilities(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        tokens = tokenise(text, self._vocabulary, self._max_tokens).to_tensor(PAD_ID)
        logits = self.model(tokens, training=False)
        return tf.nn.softmax(logits["sentiment"]), tf.sigmoid(logits["tastes"])

    @staticmethod
    def _names(like: tf.Tensor) -> tf.Tensor:
        return tf.broadcast_to(tf.constant(TASTES), tf.shape(like))


def save(module: TasteExport, folder: Path) -> None:
    """Writes the SavedModel with its three signatures."""
    tf.saved_model.save(
        module,
        str(folder),
        signatures={
            SERVING_SIGNATURE: module.serve,
            EVALUATION_SIGNATURE: module.evaluate,
            TRANSFORM_SIGNATURE: module.transform_features,
        },
    )
