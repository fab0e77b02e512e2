"""The SavedModel that is evaluated, registered and served: text in, labels out, everything in the graph."""

from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

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


class TasteServing(tf.Module):
    """The frozen classifier: text in, labels out.

    The weights are constants of the graph. Keras 3 wraps its variables so that `tf.saved_model.save` writes each of
    them twice and restores one copy: TensorFlow's own loader copes, TensorFlow Serving's finds them uninitialised.
    """

    def __init__(
        self, model: TasteModel, vocabulary: Sequence[str], max_tokens: int, thresholds: Sequence[float]
    ) -> None:
        super().__init__()
        self._thresholds = tf.constant(thresholds, tf.float32)
        self._probabilities = freeze(model, vocabulary, max_tokens)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=INPUT_TEXT)])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) string to labels and probabilities, as named in `sazon.schema`."""
        sentiment, tastes = self._probabilities(text)
        over = tastes >= self._thresholds
        names = tf.broadcast_to(tf.constant(TASTES), tf.shape(over))
        joined = tf.strings.reduce_join(tf.ragged.boolean_mask(names, over), axis=1, separator=TASTE_SEPARATOR)
        return {
            OUTPUT_SENTIMENT: tf.gather(tf.constant(SENTIMENTS), tf.argmax(sentiment, axis=1)),
            OUTPUT_SENTIMENT_PROBS: sentiment,
            OUTPUT_TASTES: joined,
            OUTPUT_TASTE_PROBS: tastes,
        }


class TasteExport(TasteServing):
    """The frozen classifier with what the Evaluator needs beside it."""

    def __init__(
        self,
        model: TasteModel,
        transform: tft.TFTransformOutput,
        vocabulary: Sequence[str],
        max_tokens: int,
        thresholds: Sequence[float],
    ) -> None:
        super().__init__(model, vocabulary, max_tokens, thresholds)
        self.transform_layer = transform.transform_features_layer()
        self._raw_spec = transform.raw_feature_spec()

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


def freeze(
    model: TasteModel, vocabulary: Sequence[str], max_tokens: int
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Tokeniser, encoder and heads as one function without variables.

    Returns:
        (batch,) string to sentiment (batch, 3) and tastes (batch, 10) probabilities, float32.
    """

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def probabilities(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = model(tokenise(text, vocabulary, max_tokens).to_tensor(PAD_ID), training=False)
        return tf.nn.softmax(logits["sentiment"]), tf.sigmoid(logits["tastes"])

    frozen = convert_variables_to_constants_v2(probabilities.get_concrete_function())

    def call(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sentiment, tastes = frozen(text)
        return tf.ensure_shape(sentiment, [None, len(SENTIMENTS)]), tf.ensure_shape(tastes, [None, len(TASTES)])

    return call


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


def save_serving(module: TasteServing, folder: Path) -> None:
    """Writes a SavedModel that can only be served."""
    tf.saved_model.save(module, str(folder), signatures={SERVING_SIGNATURE: module.serve})
