"""Packed batches answer as texts do one by one, and the short gradients are the true ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.bert.encoder import TransformerLayer
from models.bert.functions import gelu, gelu_new, standardise, to_heads, to_packed
from models.bert.packing import pack, pack_ragged, repeat
from models.bert.taste_model import TasteModel
from sazon.settings import EncoderSettings, TrainSettings

SIZE = EncoderSettings(layers=2, hidden=16, heads=2, intermediate=32, max_tokens=32)
NO_DROPOUT = TrainSettings(dropout=0.0)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return TasteModel(50, SIZE, NO_DROPOUT)


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return [rng.integers(5, 50, length).astype(np.int32) for length in (7, 2, 19, 3, 11)]


def answer(model, texts, **fill):
    tokens, layout = pack(texts, **fill)
    return {name: logits.numpy() for name, logits in model({"tokens": tokens, "layout": layout}).items()}


@pytest.mark.parametrize("fill", [{}, {"packed": 64}, {"width": 32}, {"packed": 64, "rows": 8, "width": 24}])
def test_a_text_is_answered_alike_alone_and_packed(model, texts, fill):
    together, alone = answer(model, texts, **fill), [answer(model, [text]) for text in texts]
    for name, logits in together.items():
        np.testing.assert_allclose(logits[: len(texts)], np.concatenate([one[name] for one in alone]), atol=1e-5)


def gradients(model, texts, **fill):
    tokens, layout = pack(texts, **fill)
    rows = fill.get("rows", len(texts))
    weight = np.zeros(rows, np.float32)
    weight[: len(texts)] = 1 / len(texts)
    rng = np.random.default_rng(1)
    sentiment, tastes = rng.integers(0, 3, len(texts)), rng.random((len(texts), 10)) < 0.3
    batch = {
        "tokens": tokens,
        "layout": layout,
        "sentiment": np.pad(sentiment, (0, rows - len(texts))).astype(np.int32),
        "sentiment_weight": weight,
        "tastes": np.pad(tastes, ((0, rows - len(texts)), (0, 0))).astype(np.float32),
        "taste_weight": weight,
        "positive_weight": np.ones(10, np.float32),
    }
    with tf.GradientTape() as tape:
        loss = model.objective(batch)
    return [
        tf.convert_to_tensor(one).numpy() for one in tape.gradient(loss, [v.value for v in model.trainable_variables])
    ]


@pytest.mark.parametrize("fill", [{"packed": 64}, {"width": 32}, {"packed": 64, "rows": 8, "width": 24}])
def test_filler_leaves_the_gradients_alone(model, texts, fill):
    for bare, filled in zip(gradients(model, texts), gradients(model, texts, **fill), strict=True):
        np.testing.assert_allclose(filled, bare, atol=1e-6)


def test_the_layout_made_in_a_graph_is_the_same(texts):
    tokens, layout = pack(texts)
    in_graph, of_graph = pack_ragged(tf.RaggedTensor.from_row_lengths(tokens, [len(text) for text in texts]))
    np.testing.assert_array_equal(in_graph, tokens)
    for name in ("positions", "slots", "mask", "origins"):
        np.testing.assert_array_equal(getattr(of_graph, name), getattr(layout, name))


def test_a_repeated_layout_is_that_of_the_texts_repeated(texts):
    twice, expected = repeat(pack(texts)[1], 2), pack([*texts, *texts])[1]
    for name in ("positions", "mask", "origins"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(expected, name))
    np.testing.assert_array_equal(twice.slots.numpy()[expected.mask], expected.slots[expected.mask])


def test_the_layer_for_first_tokens_is_part_of_the_full_one(texts):
    _, layout = pack(texts)
    hidden = np.random.default_rng(1).normal(size=(len(layout.positions), 16)).astype(np.float32)
    layer = TransformerLayer(SIZE, 0.0, "float32", "layer")
    full = layer(hidden, layout).numpy()
    np.testing.assert_allclose(layer.first(hidden, layout), full[layout.slots[:, 0]], atol=1e-5)
    reads = np.array([3, 20], np.int32)
    np.testing.assert_allclose(layer(hidden, layout, reads=reads), full[reads], atol=1e-5)


def derived(function, x, upstream):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y.numpy(), tf.convert_to_tensor(tape.gradient(y, x, upstream)).numpy()


SHORT_AND_LONG = {
    "gelu": (gelu, lambda x: tf.nn.gelu(x, approximate=False)),
    "gelu_new": (gelu_new, lambda x: tf.nn.gelu(x, approximate=True)),
    "standardise": (
        lambda x: standardise(x, 1e-5),
        lambda x: (
            (x - tf.reduce_mean(x, -1, keepdims=True)) / tf.sqrt(tf.math.reduce_variance(x, -1, keepdims=True) + 1e-5)
        ),
    ),
}


@pytest.mark.parametrize("name", SHORT_AND_LONG)
def test_short_gradients_are_those_that_tensorflow_derives(name):
    rng = np.random.default_rng(2)
    x, upstream = (tf.constant(rng.normal(size=(7, 12)) * 2, tf.float32) for _ in range(2))
    short, long = (derived(function, x, upstream) for function in SHORT_AND_LONG[name])
    np.testing.assert_allclose(short[0], long[0], atol=2e-6)
    np.testing.assert_allclose(short[1], long[1], atol=2e-6)


def heads_first(packed, layout, parts):
    """The plain way from packed tokens to two heads of three."""
    rows = tf.reshape(tf.gather(packed, layout.slots), (*layout.mask.shape, parts, 2, 3))
    return tf.transpose(rows, (2, 0, 3, 1, 4))


def packed_again(heads, layout):
    """The plain way back."""
    return tf.gather(tf.reshape(tf.transpose(heads, (0, 2, 1, 3)), (-1, 6)), layout.origins)


@pytest.mark.parametrize("fill", [{}, {"packed": 64, "width": 24}])
def test_the_way_to_heads_and_back_is_the_plain_one_and_so_are_its_gradients(texts, fill):
    _, layout = pack(texts, **fill)
    rng = np.random.default_rng(4)
    real_rows = tf.cast(layout.mask, tf.float32)[:, None, :, None]
    packed = tf.constant(rng.normal(size=(len(layout.positions), 18)), tf.float32)
    heads = tf.constant(rng.normal(size=(3, len(layout.mask), 2, layout.mask.shape[1], 3)), tf.float32) * real_rows
    short = derived(lambda x: to_heads(x, layout, 2, 3), packed, heads)
    plain = derived(lambda x: heads_first(x, layout, 3), packed, heads)
    np.testing.assert_array_equal(short[0], plain[0])
    np.testing.assert_allclose(short[1], plain[1], atol=1e-6)
    upstream = packed[:, :6] if layout.live is None else packed[:, :6] * layout.live[:, None]
    short = derived(lambda x: to_packed(x, layout, 2, 3), heads[0], upstream)
    plain = derived(lambda x: packed_again(x, layout), heads[0], upstream)
    np.testing.assert_array_equal(short[0], plain[0])
    np.testing.assert_allclose(short[1], plain[1], atol=1e-6)
