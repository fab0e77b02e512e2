"""A fine-tuned model leaves in other formats and comes back equal."""

import json

import numpy as np
import pytest

from sazon.errors import UserError
from sazon.schema import SENTIMENTS, TASTES
from sazon.settings import EncoderSettings

pytestmark = pytest.mark.integration
TEXTS = ["Qué rico el ceviche", "", "pésimo 😀 nada de sabor, ñato", "x" * 300]


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory):
    import keras

    from models.bert.taste_model import TasteModel
    from models.checkpoints.finetuned import Answering, write_finetuned
    from models.text.tokeniser import Tokeniser

    tokeniser = Tokeniser.learn(TEXTS * 3, 200)
    size = EncoderSettings(layers=2, hidden=32, heads=2, intermediate=64, vocabulary=200, max_tokens=32, positions=64)
    keras.utils.set_random_seed(2)
    model = TasteModel(len(tokeniser.vocabulary), size)
    for variable in model.trainable_variables:
        variable.assign(variable + keras.random.normal(variable.shape, stddev=0.2, seed=len(variable.path)))
    folder = tmp_path_factory.mktemp("finetuned") / "checkpoint"
    write_finetuned(folder, model, Answering(tokeniser, 32, [0.3] * 10, 1.7))
    return folder, model, tokeniser


def served(folder):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    answer = tf.saved_model.load(str(folder)).signatures["serving_default"](text=tf.constant(TEXTS))
    return answer["sentiment_probs"].numpy(), answer["taste_probs"].numpy()


@pytest.fixture(scope="module")
def expected(finetuned, tmp_path_factory):
    from models.export.interchange import write_format

    folder = tmp_path_factory.mktemp("export") / "savedmodel"
    write_format(finetuned[0], folder, "savedmodel")
    return served(folder)


def test_it_comes_back_equal(finetuned):
    from models.bert.packing import pack
    from models.checkpoints.finetuned import read_finetuned

    folder, model, tokeniser = finetuned
    again, answering = read_finetuned(folder)
    assert (answering.temperature, answering.thresholds, answering.tokeniser) == (1.7, [0.3] * 10, tokeniser)
    tokens, layout = pack([np.array([2, 9, 11, 3], np.int32), np.array([2, 3], np.int32)])
    for name, logits in model({"tokens": tokens, "layout": layout}).items():
        np.testing.assert_allclose(again({"tokens": tokens, "layout": layout})[name], logits, atol=1e-6)


def test_onnx_answers_as_the_savedmodel(finetuned, expected, tmp_path):
    import onnxruntime
    from transformers import AutoTokenizer

    from models.export.interchange import write_format

    write_format(finetuned[0], tmp_path / "onnx", "onnx")
    tokeniser = AutoTokenizer.from_pretrained(tmp_path / "onnx")
    inputs = tokeniser(TEXTS, padding=True, truncation=True, max_length=32, return_tensors="np")
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"))
    feed = {name: inputs[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    for got, want in zip(session.run(["sentiment_probs", "taste_probs"], feed), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize(("task", "labels"), [("sentiment", SENTIMENTS), ("tastes", TASTES)])
def test_each_task_is_a_checkpoint_with_its_labels(finetuned, tmp_path, task, labels):
    from models.checkpoints.checkpoint import read_checkpoint
    from models.export.interchange import write_format

    write_format(finetuned[0], tmp_path / "out", "transformers")
    again = read_checkpoint(tmp_path / "out" / task)
    assert tuple(again.config["id2label"].values()) == labels
    assert again.weights["classifier.weight"].shape == (len(labels), 32)
    assert {name.split(".")[0] for name in again.weights} == {"embeddings", "encoder", "pooler", "classifier"}
    assert json.loads((tmp_path / "out" / task / "config.json").read_text())["architectures"] == [
        "BertForSequenceClassification"
    ]


def test_a_checkpoint_of_somebody_else_is_refused(finetuned, tmp_path):
    from models.checkpoints.finetuned import read_finetuned
    from models.export.interchange import write_format

    write_format(finetuned[0], tmp_path / "out", "transformers")
    with pytest.raises(UserError, match="was not fine-tuned by Sazón"):
        read_finetuned(tmp_path / "out" / "sentiment")
