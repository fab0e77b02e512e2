"""The exported SavedModel: what it needs, what it answers, and that it is the model that was trained."""

import functools
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sazon.schema import SENTIMENTS, TASTE_SEPARATOR, TASTES

pytestmark = pytest.mark.integration

TEXTS = ["rico y bien picante el ceviche", "", "rico " * 2000, "😀👍🏽🇵🇪", "pésimo, pura grasa", "á" * 10_000]
TASTE_THRESHOLD = 0.5
# What serves it has TensorFlow and TensorFlow Text, and nothing of ours.
CLIENT = """
import json, sys

for name in ("keras", "tensorflow_transform", "sazon", "models", "tokenizers", "transformers"):
    sys.modules[name] = None  # importing it is an error

import tensorflow as tf
import tensorflow_text

signatures = tf.saved_model.load(sys.argv[1]).signatures
texts = [text.encode() for text in json.loads(sys.argv[2])] + [b"\\xff\\xfe malo \\xc3"]
examples = [
    tf.train.Example(
        features=tf.train.Features(feature={"text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))})
    ).SerializeToString()
    for text in texts
]

def answer(name, **inputs):
    found = signatures[name](**inputs)
    return {key: value.numpy().tolist() for key, value in found.items()}

served = answer("serving_default", text=tf.constant(texts))
found = {
    "serving_default": served,
    "alone": [answer("serving_default", text=tf.constant([text])) for text in texts],
    "none": answer("serving_default", text=tf.constant([], tf.string)),
    "examples": answer("examples", examples=tf.constant(examples)),
    "embed": answer("embed", text=tf.constant(texts)),
    "explain": answer("explain", text=tf.constant(texts[:2])),
}
print(json.dumps(found, default=lambda value: value.decode()))
"""


@pytest.fixture(scope="module")
def trained_model() -> tuple[Any, Any]:
    """A two-layer BERT whose random weights are large enough to disagree about texts, and how it answers."""
    import keras

    from models.bert.packing import pack_ragged
    from models.bert.taste_model import TasteModel
    from models.checkpoints.finetuned import Answering
    from models.export.int8 import input_ranges
    from models.text.tokeniser import Tokeniser
    from sazon.settings import PRESETS

    tokeniser, size = Tokeniser.learn(TEXTS[:1] * 3 + TEXTS[3:5] * 3, 200), PRESETS["tiny"]
    keras.utils.set_random_seed(4)
    model = TasteModel(len(tokeniser.vocabulary), size)
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            variable.assign(variable * 3)
    ranges = input_ranges(model.encoder, [pack_ragged(tokeniser.tokenise(TEXTS, size.max_tokens))])
    return model, Answering(tokeniser, size.max_tokens, [TASTE_THRESHOLD] * len(TASTES), input_ranges=ranges)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN's integer operations are for x86")
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_what_an_activation_put_out_is_rounded_in_steps_half_as_wide(activation):
    """Where a range from -max to max would give half of its codes to values that do not occur."""
    import keras
    import tensorflow as tf

    from models.bert.functions import ACTIVATIONS
    from models.bert.taste_model import TasteModel
    from models.export.int8 import IntegerProducts
    from sazon.settings import PRESETS

    size, reach = PRESETS["tiny"].model_copy(update={"activation": activation}), 3.0
    keras.utils.set_random_seed(4)
    encoder = TasteModel(100, size).encoder
    outer = encoder.layers[0].outer
    x = np.asarray(ACTIVATIONS[activation](tf.random.stateless_uniform([400, size.intermediate], [1, 2], -3.0, reach)))
    exact = np.asarray(outer(x))

    with IntegerProducts(encoder, [reach] * 4 * size.layers).tracing():
        rounded = tf.function(lambda x: outer(x), input_signature=[tf.TensorSpec(x.shape)], autograph=False)(x)
    kernel, bias = np.asarray(outer.kernel), np.asarray(outer.bias)
    steps = np.abs(kernel).max(axis=0) / 127
    of_weights = x @ (np.rint(kernel / steps) * steps) + bias - exact
    symmetric = np.rint(x / reach * 127) * reach / 127
    of_inputs = (symmetric - x) @ kernel
    left = rounded - exact - of_weights
    assert np.std(left) < 0.7 * np.std(of_inputs)
    shifted = np.abs(np.mean(left, axis=0)).max()
    assert shifted < 4 * np.std(of_inputs), "the bias makes up for a range that begins below 0"


@pytest.fixture(scope="module")
def served(trained_model, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """Its SavedModels in float32 and in int8."""
    from models.export.frozen_model import TasteServing

    @functools.cache
    def save(int8: bool) -> Path:
        folder = tmp_path_factory.mktemp("exported") / "model"
        TasteServing(*trained_model, int8).save(folder)
        return folder

    return save


@pytest.fixture(scope="module", params=["float32", "int8"])
def products(request: pytest.FixtureRequest) -> str:
    """The format of its matrix products."""
    if request.param == "int8" and platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("oneDNN's integer operations are for x86")
    return request.param


@pytest.fixture(scope="module")
def exported(served, products) -> Path:
    """Its SavedModel."""
    return served(products == "int8")


@pytest.fixture(scope="module")
def answers(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every signature says of the texts, and last of one that is no UTF-8."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(exported), json.dumps(TEXTS)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_it_answers_any_text_without_keras_and_sazon(answers):
    served = answers["serving_default"]
    assert len(served["sentiment"]) == len(TEXTS) + 1
    assert set(served["sentiment"]) <= set(SENTIMENTS)
    np.testing.assert_allclose(np.sum(served["sentiment_probs"], axis=1), 1, atol=1e-5)
    assert np.isfinite(served["taste_probs"]).all()


def test_names_are_those_of_the_probabilities(answers):
    served = answers["serving_default"]
    assert served["sentiment"] == [SENTIMENTS[row] for row in np.argmax(served["sentiment_probs"], axis=1)]
    over = np.array(served["taste_probs"]) >= TASTE_THRESHOLD
    assert served["tastes"] == [TASTE_SEPARATOR.join(np.array(TASTES)[row]) for row in over]


def test_no_texts_give_no_answers(answers):
    assert answers["none"]["sentiment"] == []
    assert answers["none"]["tastes"] == []


def test_a_text_is_answered_alike_alone(answers):
    alone = [one["sentiment_probs"][0] for one in answers["alone"]]
    np.testing.assert_allclose(alone, answers["serving_default"]["sentiment_probs"], atol=1e-5)


def test_examples_are_answered_like_texts(answers):
    for name, value in answers["serving_default"].items():
        found = answers["examples"][name]
        if name.endswith("_probs"):
            np.testing.assert_allclose(found, value, atol=1e-6)
        else:
            assert found == value


def test_it_is_the_model_that_was_trained(answers, trained_model, products):
    from models.bert.packing import pack

    model, answering = trained_model
    rows = answering.tokeniser.tokenise(TEXTS, answering.max_tokens)
    tokens, layout = pack([row.numpy() for row in rows])
    logits = model({"tokens": tokens, "layout": layout})
    sentiment, tastes = (np.array(logits[name], np.float64) for name in ("sentiment", "tastes"))
    exponents = np.exp(sentiment - sentiment.max(axis=1, keepdims=True))
    served, apart = answers["serving_default"], 1e-5 if products == "float32" else 0.03
    expected = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(served["sentiment_probs"][:-1], expected, atol=apart)
    np.testing.assert_allclose(served["taste_probs"][:-1], 1 / (1 + np.exp(-tastes)), atol=apart)
    pooled = model.encoder.pool(model.encoder(tokens, layout=layout))
    np.testing.assert_allclose(answers["embed"]["embedding"][:-1], pooled, atol=10 * apart)


def test_attributions_add_up_to_what_the_words_changed(answers, trained_model):
    from models.bert.packing import pack

    model, answering = trained_model
    tokeniser, explained = answering.tokeniser, answers["explain"]
    row = tokeniser.tokenise(TEXTS[:1], answering.max_tokens)[0].numpy()
    hidden = np.array([tokeniser.cls_id, *[tokeniser.mask_id] * (len(row) - 2), tokeniser.sep_id], np.int32)
    tokens, layout = pack([row, hidden])
    logits = model({"tokens": tokens, "layout": layout})["sentiment"].numpy()
    named = explained["sentiment_index"][0]
    assert SENTIMENTS[named] == answers["serving_default"]["sentiment"][0]
    change = logits[0, named] - logits[1, named]
    assert sum(explained["attributions"][0]) == pytest.approx(change, rel=0.02, abs=1e-5)
