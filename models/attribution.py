"""Which words made the model say what it says: integrated gradients over the word embeddings."""

import tensorflow as tf

from models.packing import pack_ragged, repeat
from models.taste_model import TasteModel
from models.tokeniser import Tokeniser

_STEPS = 16


def integrated_gradients(
    model: TasteModel, tokeniser: Tokeniser, texts: tf.Tensor, max_tokens: int
) -> dict[str, tf.Tensor]:
    """Attributes the logit of the named sentiment to the tokens.

    The path goes in a straight line from the embedding of [MASK] (a word that is hidden) to that of the word. The
    attributions of a text add up to the difference of the logit at both ends, but for the error of the rule
    (midpoints, 16 steps).

    Args:
        model: the classifier.
        tokeniser: of the model.
        texts: (batch,) string.
        max_tokens: longest row.

    Returns:
        `tokens` (batch, tokens) string, "" after the end; `attributions` (batch, tokens) float32, positive where the
        token speaks for the named sentiment; `sentiment_index` (batch,) int32.

    Source: Sundararajan et al., "Axiomatic Attribution for Deep Networks" (2017).
    """
    tokens, layout = pack_ragged(tokeniser.tokenise(texts, max_tokens))
    encoder = model.encoder
    table = tf.convert_to_tensor(encoder.words)
    words = tf.gather(table, tokens)
    special = (tokens == tokeniser.cls_id) | (tokens == tokeniser.sep_id)
    baseline = tf.where(special[:, None], words, table[tokeniser.mask_id])
    # The first share is the text itself, for the label; the others lie on the path.
    shares = tf.concat([[1.0], (tf.range(_STEPS, dtype=tf.float32) + 0.5) / _STEPS], 0)
    points = tf.reshape(baseline + shares[:, None, None] * (words - baseline), [-1, encoder.size.hidden])
    with tf.GradientTape() as tape:
        tape.watch(points)
        first = encoder.encode(points, repeat(layout, _STEPS + 1))
        logits = model.heads(encoder.pool(first))["sentiment"]
        logits = tf.reshape(logits, [_STEPS + 1, -1, logits.shape[-1]])
        named = tf.argmax(logits[0], axis=1, output_type=tf.int32)
        chosen = tf.reduce_sum(tf.gather(logits[1:], tf.tile(named[None], [_STEPS, 1]), batch_dims=2))
    slopes = tf.reshape(tape.gradient(chosen, points), [_STEPS + 1, -1, encoder.size.hidden])
    mean_slope = tf.reduce_mean(slopes[1:], axis=0)
    packed = tf.reduce_sum(mean_slope * (words - baseline), axis=1)
    names = tf.gather(tf.constant(tokeniser.vocabulary), tokens)
    return {
        "tokens": tf.where(layout.mask, tf.gather(names, layout.slots), ""),
        "attributions": tf.where(layout.mask, tf.gather(packed, layout.slots), 0.0),
        "sentiment_index": named,
    }
