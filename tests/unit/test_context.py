"""The fusion itself, and what of a row's context reaches the model."""

import numpy as np
import pytest

from data.context import CONTEXT
from models.inputs.batching import Batches, LabelWeights
from models.inputs.example_store import ExampleStore, TokenisedRows
from sazon.settings import TrainSettings

HIDDEN = 8
NOTHING = np.full((4, len(CONTEXT)), np.nan, np.float32)


def some_context(rows=4, seed=0):
    rng = np.random.default_rng(seed)
    context = rng.uniform(1, 5, (rows, len(CONTEXT))).astype(np.float32)
    context[::2, :4] = np.nan
    return context


@pytest.fixture
def fusion():
    from models.bert.context import ContextFusion

    made = ContextFusion(HIDDEN)
    made.adapt(some_context(50, 1))
    return made


@pytest.fixture
def pooled():
    return np.random.default_rng(2).normal(size=(4, HIDDEN)).astype(np.float32)


def test_a_row_without_context_is_its_text_exactly(fusion, pooled):
    np.testing.assert_array_equal(np.asarray(fusion(pooled, NOTHING)), pooled)
    mixed = np.concatenate([some_context()[:2], NOTHING[2:]])
    fused = np.asarray(fusion(pooled, mixed))
    np.testing.assert_array_equal(fused[2:], pooled[2:])
    assert np.isfinite(fused).all()
    assert (fused[:2] != pooled[:2]).any(axis=1).all()


def test_at_first_the_gate_lets_little_through(fusion, pooled):
    fused = np.asarray(fusion(pooled, some_context()))
    free = np.asarray(fusion.outer(np.ones((1, 32), np.float32))).max() + 1
    assert np.abs(fused - pooled).max() < 0.2 * free


def test_a_feature_that_never_varies_or_is_never_known_does_no_harm(fusion, pooled):
    context = some_context(50, 3)
    context[:, 0], context[:, 1] = 4.0, np.nan
    fusion.adapt(context)
    assert np.isfinite(np.asarray(fusion(pooled, some_context()))).all()


def test_no_gradient_is_lost_to_unknown_features(fusion, pooled):
    import tensorflow as tf

    context = some_context()
    context[0] = np.nan
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(fusion(tf.constant(pooled), tf.constant(context)) ** 2)
    for grad in tape.gradient(loss, [variable.value for variable in fusion.trainable_variables]):
        assert np.isfinite(grad.numpy()).all()


def make_batches(folder, known, **settings):
    rows = TokenisedRows(
        [np.array([2, 5, 3])] * 200, np.ones(200, np.int8), np.zeros((200, 10), bool), np.ones(200, bool), known
    )
    store = ExampleStore.write(folder, [rows])
    return Batches(store, TrainSettings(**settings), LabelWeights.even(), mask_id=4)


def test_training_hides_the_context_of_the_wanted_share_of_rows(tmp_path):
    context = some_context(200)
    batches = make_batches(tmp_path, context, context=True, context_dropout=0.3, batch_size=200)
    (batch,) = batches.of_epoch(0)
    hidden = np.isnan(batch["context"]).all(axis=1)
    assert 0.2 < hidden.mean() < 0.4
    shown = {row.tobytes() for row in batch["context"][~hidden]}
    assert shown <= {row.tobytes() for row in context}


def test_both_passes_of_rdrop_see_the_same_context(tmp_path):
    batches = make_batches(tmp_path, some_context(200), context=True, rdrop=1.0, batch_size=50)
    one, two = np.split(next(batches.of_epoch(0))["context"], 2)
    np.testing.assert_array_equal(one, two)


def test_with_the_setting_off_no_batch_holds_a_context(tmp_path):
    assert "context" not in next(make_batches(tmp_path, some_context(200), context=False).of_epoch(0))


def test_the_context_is_read_back_as_written(tmp_path):
    context = some_context(200)
    np.testing.assert_array_equal(make_batches(tmp_path, context).store.context, context)
