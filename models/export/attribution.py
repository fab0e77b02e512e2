"""Which words made the model say what it says: integrated gradients over the word embeddings."""

import tensorflow as tf

from models.bert.packing import pack_ragged, repeat
from models.bert.taste_model import TasteModel
from models.text.tokeniser import Tokeniser
from sazon.schema import OUTPUT_ATTRIBUTIONS, OUTPUT_SENTIMENT_INDEX, OUTPUT_TOKENS

_STEPS = 16


def integrated_gradients(
    model: TasteModel, tokeniser: Tokeniser, texts: tf.Tensor, max_tokens: int, named: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Attributes the logit of a sentiment to the tokens.

    The path goes in a straight line from the embedding of [MASK] (a word that is hidden) to that of the word. The
    attributions of a text add up to the difference of the logit at both ends, but for the error of the rule
    (midpoints, 16 steps).

    Args:
        model: the classifier.
        tokeniser: of the model.
        texts: (batch,) string.
        max_tokens: longest row.
        named: (batch,) int32, the sentiment that is asked about.

    Returns:
        `tokens` (batch, tokens) string, "" after the end; `attributions` (batch, tokens) float32, positive where the
        token speaks for the named sentiment; `sentiment_index` (batch,) int32, `named` again.

    Source: Sundararajan et al., "Axiomatic Attribution for Deep Networks" (2017).
    """
    rows = tokeniser.tokenise(texts, max_tokens)
    # A text at a time: the points of its path fill a batch, and many texts need no more memory than one.
    attributions = tf.map_fn(
        lambda row: _attribute(model, tokeniser, *row),
        (rows, named),
        fn_output_signature=tf.RaggedTensorSpec([None], tf.float32, 0),
        parallel_iterations=1,
    )
    return {
        OUTPUT_TOKENS: tf.gather(tf.constant(tokeniser.vocabulary), rows).to_tensor(""),
        OUTPUT_ATTRIBUTIONS: attributions.to_tensor(),
        OUTPUT_SENTIMENT_INDEX: named,
    }


def _attribute(model: TasteModel, tokeniser: Tokeniser, tokens: tf.Tensor, named: tf.Tensor) -> tf.Tensor:
    """One text, (tokens,) int32, and the index of a sentiment: what each token did, (tokens,) float32."""
    encoder = model.encoder
    table = tf.convert_to_tensor(encoder.words)
    special = (tokens == tokeniser.cls_id) | (tokens == tokeniser.sep_id)
    words = tf.gather(table, tokens)
    way = words - tf.where(special[:, None], words, table[tokeniser.mask_id])
    left = 1.0 - (tf.range(_STEPS, dtype=tf.float32) + 0.5) / _STEPS
    points = tf.reshape(words - left[:, None, None] * way, [-1, encoder.size.hidden])
    layout = pack_ragged(tf.RaggedTensor.from_tensor(tokens[None]))[1]
    with tf.GradientTape() as tape:
        tape.watch(points)
        first = encoder.encode(points, repeat(layout, _STEPS))
        chosen = tf.reduce_sum(tf.gather(model.heads(encoder.pool(first))["sentiment"], named, axis=1))
    slopes = tf.reshape(tape.gradient(chosen, points), [_STEPS, -1, encoder.size.hidden])
    return tf.reduce_sum(tf.reduce_mean(slopes, axis=0) * way, axis=1)
