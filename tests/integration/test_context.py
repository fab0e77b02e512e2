"""Context all the way: from a row's history to the answer of an exported model."""

import numpy as np
import pandas as pd
import pytest

from data.context import CONTEXT
from data.preparation import prepare_dataset
from data.reading import read_cells
from sazon.errors import UserError
from sazon.schema import CONTEXTUAL_SIGNATURE, SENTIMENTS
from sazon.settings import EncoderSettings, SplitSettings, TrainSettings

pytestmark = pytest.mark.integration

SIZE = EncoderSettings(layers=1, hidden=16, heads=2, intermediate=32, vocabulary=300, max_tokens=16)
SETTINGS = TrainSettings(
    context=True, epochs=8, least_steps=150, batch_size=32, learning_rate=1e-2, class_weights=False
)
TEXTS = ("llegó el pedido", "lo comí ayer", "fui con mi familia")


def told_by_context_alone(rows):
    """Texts that say nothing, and a context whose first feature is the sentiment."""
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 3, rows)
    context = np.full((rows, len(CONTEXT)), np.nan, np.float32)
    context[:, 0], context[:, 1] = 1 + 2 * classes, rng.integers(1, 200, rows)
    table = pd.DataFrame(context, columns=CONTEXT)
    return table.assign(
        text=[TEXTS[place % len(TEXTS)] for place in range(rows)],
        sentiment=[SENTIMENTS[number] for number in classes],
        tastes=[()] * rows,
        tastes_labelled=1,
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    from models.checkpoints.finetuned import Answering
    from models.inputs.example_store import ExampleStore
    from models.text.tokeniser import Tokeniser
    from models.training.fitting import Trainer
    from models.training.tokenised_rows import tokenise_rows

    table, folder = told_by_context_alone(240), tmp_path_factory.mktemp("stores")
    tokeniser = Tokeniser.learn(table["text"], SIZE.vocabulary)
    stores = [
        ExampleStore.write(folder / name, tokenise_rows(part, tokeniser, SIZE.max_tokens))
        for name, part in (("train", table[:180]), ("eval", table[180:]))
    ]
    trainer = Trainer(*stores, len(tokeniser.vocabulary), tokeniser.mask_id, SIZE, SETTINGS)
    done = trainer.fit()
    return trainer, done.model, Answering(tokeniser, SIZE.max_tokens, done.thresholds, done.temperature), table[180:]


def test_what_only_the_context_tells_is_learnt_and_the_text_alone_is_still_answered(fitted):
    from models.training.fitting import predict_logits

    trainer, _, _, table = fitted
    truth = table["sentiment"].map(SENTIMENTS.index).to_numpy()
    with_context = predict_logits(trainer.engine, trainer.held_out, with_context=True)[0].argmax(axis=1)
    alone = predict_logits(trainer.engine, trainer.held_out)[0]
    assert (with_context == truth).mean() > 0.9
    assert (alone.argmax(axis=1) == truth).mean() < 0.7
    assert np.isfinite(alone).all()


def test_the_export_answers_texts_alone_as_it_answers_an_unknown_context(fitted, tmp_path):
    import tensorflow as tf

    from models.export.frozen_model import TasteServing

    _, model, answering, table = fitted
    TasteServing(model, answering).save(tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    texts = tf.constant(list(table["text"]))
    plain = loaded.signatures["serving_default"](text=texts)
    contextual = loaded.signatures[CONTEXTUAL_SIGNATURE]
    unknown = contextual(text=texts, context=tf.fill([len(table), len(CONTEXT)], float("nan")))
    for name, value in plain.items():
        np.testing.assert_array_equal(value.numpy(), unknown[name].numpy())
    known = contextual(text=texts, context=tf.constant(table[list(CONTEXT)].to_numpy(np.float32)))
    named = [label.decode() for label in known["sentiment"].numpy()]
    assert np.mean(table["sentiment"].to_numpy() == named) > 0.9


def test_a_checkpoint_holds_the_fusion_and_its_scales(fitted, tmp_path):
    from models.checkpoints.finetuned import read_finetuned, write_finetuned, write_for_transformers
    from models.training.engine import Engine
    from models.training.fitting import predict_logits

    trainer, model, answering, _ = fitted
    write_finetuned(tmp_path / "checkpoint", model, answering)
    back, _ = read_finetuned(tmp_path / "checkpoint")
    one, two = (predict_logits(engine, trainer.held_out, True) for engine in (trainer.engine, Engine(back, None)))
    np.testing.assert_allclose(one[0], two[0], atol=0.05)  # training may multiply in bfloat16
    write_for_transformers(tmp_path / "checkpoint", tmp_path / "plain", "sentiment")


def test_rows_without_context_are_refused_where_the_setting_is_on(fitted, tmp_path):
    from models.inputs.example_store import ExampleStore, TokenisedRows
    from models.training.fitting import Trainer

    bare = TokenisedRows([np.array([2, 3])], np.zeros(1, np.int8), np.zeros((1, 10), bool), np.ones(1, bool))
    store = ExampleStore.write(tmp_path / "bare", [bare])
    with pytest.raises(UserError, match=r"train\.context is on"):
        Trainer(store, store, 300, 4, SIZE, SETTINGS).fit()


def test_a_model_without_context_has_no_such_signature(saved_model):
    import tensorflow as tf

    assert CONTEXTUAL_SIGNATURE not in tf.saved_model.load(str(saved_model)).signatures


@pytest.fixture
def source(feedback_file):
    """Rows over half a year, some of a product that comes up once."""
    moments = pd.date_range("2025-01-01T10:00:00Z", periods=200, freq="23h")
    changes = [
        {
            "created_at": at.isoformat(),
            "text": f"comentario número {number} de la semana",
            "product": "ceviche" if number % 2 else "causa",
            "region": "Lima" if number % 5 else "Puno",
            "rating": str(1 + number % 5) if number % 3 else "",
            "sentiment": SENTIMENTS[number % 3],
        }
        for number, at in enumerate(moments)
    ]
    return feedback_file(*changes)


def test_prepared_rows_carry_their_context_only_if_asked(source, tmp_path):
    plain = prepare_dataset(source, tmp_path / "datasets", SplitSettings())
    with_context = prepare_dataset(source, tmp_path / "datasets", SplitSettings(), context=True)
    columns = [list(read_cells(dataset.parquet("train"))) for dataset in (plain, with_context)]
    assert set(columns[1]) == {*columns[0], *CONTEXT}
    assert not set(CONTEXT) & set(columns[0])
    assert plain.name != with_context.name
    assert plain.rows == with_context.rows


def test_the_context_comes_through_the_pipeline_as_it_was_prepared(source, tmp_path):
    """ExampleGen's encoding, the curated schema, Transform's function and the store, without their runner."""
    import tensorflow as tf
    from tensorflow_transform.tf_metadata import schema_utils
    from tfx.components.example_gen import utils

    from components.schema import curated_schema
    from models.inputs import features
    from models.inputs.example_store import ExampleStore, read_examples
    from models.inputs.preprocessing import preprocessing_fn
    from models.text.tokeniser import Tokeniser

    dataset = prepare_dataset(source, tmp_path / "datasets", SplitSettings(), context=True)
    rows = pd.read_parquet(dataset.parquet("train"))
    Tokeniser.learn(rows["text"], 300).write(tmp_path)
    examples = [
        utils.dict_to_example({key: None if _absent(value) else value for key, value in row.items()})
        for row in rows.to_dict("records")
    ]
    spec = schema_utils.schema_as_feature_spec(curated_schema(context=True)).feature_spec
    parsed = tf.io.parse_example([example.SerializeToString() for example in examples], spec)
    config = {features.CONFIG_TOKENISER: str(tmp_path), features.CONFIG_MAX_TOKENS: 16}
    transformed = preprocessing_fn(parsed, config)
    transformed[features.TOKENS] = tf.RaggedTensor.from_sparse(transformed[features.TOKENS])
    with tf.io.TFRecordWriter(str(tmp_path / "part.gz"), "GZIP") as writer:
        for place in range(len(rows)):
            writer.write(_example({name: column[place].numpy() for name, column in transformed.items()}))
    store = ExampleStore.write(tmp_path / "store", read_examples([tmp_path / "part.gz"], context=True))
    np.testing.assert_array_equal(store.context, rows[list(CONTEXT)].to_numpy(np.float32))
    assert np.isnan(store.context).any()
    assert np.isfinite(store.context).any()


def _absent(value):
    return value is None or (isinstance(value, float) and value != value)


def _example(row):
    import tensorflow as tf

    def encode(value):
        if value.dtype == np.int64:
            return tf.train.Feature(int64_list=tf.train.Int64List(value=value))
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))

    features = tf.train.Features(feature={name: encode(np.atleast_1d(value)) for name, value in row.items()})
    return tf.train.Example(features=features).SerializeToString()
