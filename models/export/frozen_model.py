"""The SavedModel that is evaluated, registered and served: text in, labels out, everything in the graph.

All signatures share one set of weights, in variables of TensorFlow's own. Keras 3 wraps its variables so that
`tf.saved_model.save` writes each of them twice and restores one copy: TensorFlow's loader copes, TensorFlow Serving's
finds them uninitialised.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from data.context import CONTEXT
from models.bert.packing import pack_ragged
from models.bert.precision import Served, resolve_served
from models.bert.taste_model import TasteModel
from models.checkpoints.finetuned import Answering, read_finetuned
from models.export.attribution import integrated_gradients
from models.export.int8 import IntegerProducts
from models.export.weights import constants
from models.inputs import features
from sazon.errors import UserError
from sazon.schema import (
    CONTEXTUAL_SIGNATURE,
    EXPLANATION_SIGNATURE,
    INPUT_CONTEXT,
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
EXAMPLES_SIGNATURE = "examples"
EMBEDDING_SIGNATURE = "embed"
EVALUATION_SIGNATURE = "evaluate"
TRANSFORM_SIGNATURE = "transform_features"

_TEXTS = tf.TensorSpec([None], tf.string, name=INPUT_TEXT)
_CONTEXT = tf.TensorSpec([None, len(CONTEXT)], tf.float32, name=INPUT_CONTEXT)
_EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")
_LABELS = (
    features.SENTIMENT_LABEL,
    features.SENTIMENT_WEIGHT,
    features.TASTE_LABELS,
    features.TASTE_WEIGHT,
)
_FEW_SHAPES = 8  # tokens and rows are filled up to a multiple of it: oneDNN prepares each operation for each shape
# The names of each set of tastes, by the sum of its tastes' powers of two: a look-up where joining takes twenty steps.
_TASTE_SETS = [
    TASTE_SEPARATOR.join(taste for place, taste in enumerate(TASTES) if chosen >> place & 1)
    for chosen in range(1 << len(TASTES))
]


class FrozenModel:
    """The classifier over stored weights. Not a module of TensorFlow's, so that no variable of Keras is saved."""

    def __init__(self, model: TasteModel, answering: Answering, int8: bool = False) -> None:
        self.model, self.answering = model, answering
        self._integers = IntegerProducts(model.encoder, answering.input_ranges or []) if int8 else None
        self._variables = model.variables
        self._weights = constants([keras.ops.convert_to_numpy(variable) for variable in self._variables])

    def pooled(self, text: tf.Tensor) -> tf.Tensor:
        """(batch,) string to (batch, hidden) float32, the vector that the heads read."""
        rows = self.answering.tokeniser.tokenise(text, self.answering.max_tokens)
        tokens, layout = pack_ragged(rows, multiple=_FEW_SHAPES)
        with self._stored(), self._products():
            return self.model.encoder.pool(self.model.encoder(tokens, layout=layout))

    def probabilities(self, text: tf.Tensor, context: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """(batch,) string, (batch, features) where known, to sentiment (batch, 3) and tastes (batch, 10), float32."""
        pooled = self.pooled(text)
        with self._stored():
            logits = self.model.heads(self.model.fuse(pooled, context))
        sentiment = tf.nn.softmax(logits["sentiment"] / self.answering.temperature)
        tastes = tf.sigmoid(logits["tastes"])
        return tf.ensure_shape(sentiment, [None, len(SENTIMENTS)]), tf.ensure_shape(tastes, [None, len(TASTES)])

    def attributions(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """What each token did for the sentiment that is served, as `models.export.attribution` gives it."""
        named = tf.argmax(self.probabilities(text)[0], axis=1, output_type=tf.int32)
        with self._stored():
            return integrated_gradients(self.model, self.answering.tokeniser, text, self.answering.max_tokens, named)

    def _stored(self) -> keras.StatelessScope:
        """Within it the model computes with the stored weights."""
        return keras.StatelessScope(state_mapping=list(zip(self._variables, self._weights, strict=True)))

    def _products(self) -> AbstractContextManager[None]:
        """Within it the encoder multiplies integers, if it was asked to."""
        return self._integers.tracing() if self._integers else nullcontext()


class TasteServing(tf.Module):
    """What is served."""

    def __init__(self, model: TasteModel, answering: Answering, int8: bool = False) -> None:
        """`int8`: in integers, see `models.export.int8`; needs a float32 model and `answering.input_ranges`."""
        super().__init__()
        self._frozen = FrozenModel(model, answering, int8)

    @tf.function(input_signature=[_TEXTS])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) string to labels and probabilities, as named in `sazon.schema`."""
        return self._answer(text)

    @tf.function(input_signature=[_EXAMPLES])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) serialised tf.Example with a feature `text` to the same."""
        parsed = tf.io.parse_example(examples, {INPUT_TEXT: tf.io.FixedLenFeature([], tf.string, "")})
        return self._answer(parsed[INPUT_TEXT])

    @tf.function(input_signature=[_TEXTS])
    def embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) string to `embedding` (batch, hidden) float32, the vector that the heads read."""
        return {"embedding": self._frozen.pooled(text)}

    @tf.function(input_signature=[_TEXTS])
    def explain(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) string to its tokens and what each did for the named sentiment; see `models.export.attribution`."""
        return self._frozen.attributions(text)

    def signatures(self) -> dict[str, Any]:
        """By name; the contextual one takes (batch, features) float32 too, and is there if the model reads context."""
        found = {
            SERVING_SIGNATURE: self.serve,
            EXAMPLES_SIGNATURE: self.serve_examples,
            EMBEDDING_SIGNATURE: self.embed,
            EXPLANATION_SIGNATURE: self.explain,
        }
        if self._frozen.model.context is not None:
            found[CONTEXTUAL_SIGNATURE] = tf.function(self._answer, input_signature=[_TEXTS, _CONTEXT])
        return found

    def save(self, folder: Path) -> None:
        """Writes the SavedModel."""
        tf.saved_model.save(self, str(folder), signatures=self.signatures())

    def _answer(self, text: tf.Tensor, context: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        sentiment, tastes = self._frozen.probabilities(text, context)
        over = tastes >= tf.constant(self._frozen.answering.thresholds, tf.float32)
        chosen = tf.reduce_sum(tf.where(over, [1 << place for place in range(len(TASTES))], 0), axis=1)
        return {
            OUTPUT_SENTIMENT: tf.gather(tf.constant(SENTIMENTS), tf.argmax(sentiment, axis=1)),
            OUTPUT_SENTIMENT_PROBS: sentiment,
            OUTPUT_TASTES: tf.gather(tf.constant(_TASTE_SETS), chosen),
            OUTPUT_TASTE_PROBS: tastes,
        }


class TasteExport(TasteServing):
    """The frozen classifier with what the Evaluator needs beside it."""

    def __init__(self, model: TasteModel, answering: Answering, int8: bool, transform: tft.TFTransformOutput) -> None:
        super().__init__(model, answering, int8)
        self.transform_layer = transform.transform_features_layer()
        self._raw_spec = transform.raw_feature_spec()

    @tf.function(input_signature=[_EXAMPLES])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) serialised raw tf.Example to probabilities, for the Evaluator."""
        text = tf.io.parse_example(examples, {INPUT_TEXT: self._raw_spec[INPUT_TEXT]})[INPUT_TEXT]
        sentiment, tastes = self._frozen.probabilities(tf.reshape(text, [-1]))
        return {OUTPUT_SENTIMENT_PROBS: sentiment, OUTPUT_TASTE_PROBS: tastes}

    @tf.function(input_signature=[_EXAMPLES])
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """(batch,) serialised raw tf.Example to label ids and masks, for the Evaluator."""
        transformed = self.transform_layer(tf.io.parse_example(examples, self._raw_spec))
        return {name: transformed[name] for name in _LABELS}

    def signatures(self) -> dict[str, Any]:
        """Those of serving, and the Evaluator's two."""
        return super().signatures() | {
            EVALUATION_SIGNATURE: self.evaluate,
            TRANSFORM_SIGNATURE: self.transform_features,
        }


def read_to_serve(checkpoint: Path, products: Served) -> tuple[TasteModel, Answering, bool]:
    """What `TasteServing` is made of.

    Args:
        checkpoint: as `models.checkpoints.finetuned.write_finetuned` wrote it.
        products: number format of matrix products; auto: what is fastest on this machine's CPU.

    Raises:
        UserError: int8, of a model without ranges.
    """
    served = resolve_served(products)
    model, answering = read_finetuned(checkpoint, "float32" if served == "int8" else served)
    if served == "int8" and not answering.input_ranges:
        raise UserError("this version was trained before int8 was served: export it in float32 or bfloat16")
    return model, answering, served == "int8"
