"""Training steps: the loss falls, missing labels are nowhere to be seen, halves add up to the whole."""

import keras
import numpy as np
import pytest

from models.bert.dropout import Dropout
from models.bert.packing import pack
from models.bert.taste_model import TasteModel
from models.training.engine import Engine
from models.training.optimiser import make_optimiser
from sazon.settings import EncoderSettings, TrainSettings

SIZE = EncoderSettings(layers=1, hidden=16, heads=2, intermediate=32, max_tokens=32)
STILL = {"dropout": 0.0, "learning_rate": 0.01, "warmup_share": 0.0, "precision": "float32"}


def engine(**settings):
    keras.utils.set_random_seed(5)
    chosen = TrainSettings(**{**STILL, **settings})
    model = TasteModel(50, SIZE, chosen, chosen.precision)
    return Engine(model, make_optimiser(chosen, model.encoder, 100))


def batch_of(rows, seed=0, passes=1, **changes):
    rng = np.random.default_rng(seed)
    texts = [rng.integers(5, 50, rng.integers(3, 20)).astype(np.int32) for _ in range(rows)] * passes
    tokens, layout = pack(texts)
    even = np.full(rows * passes, 1 / (rows * passes), np.float32)
    return {
        "tokens": tokens,
        "layout": layout,
        "sentiment": np.tile(rng.integers(0, 3, rows), passes).astype(np.int32),
        "sentiment_weight": even,
        "tastes": np.tile(rng.random((rows, 10)) < 0.3, (passes, 1)).astype(np.float32),
        "taste_weight": even,
        "positive_weight": np.ones(10, np.float32),
        "row_weight": even * passes,
        **changes,
    }


@pytest.mark.parametrize("settings", [{}, {"rdrop": 1.0, "dropout": 0.1}, {"accumulate": 2}, {"precision": "bfloat16"}])
def test_the_loss_falls(settings):
    trained = engine(**settings)
    batch = batch_of(12, passes=2 if "rdrop" in settings else 1)
    losses = [float(trained.step(batch)) for _ in range(30)]
    assert np.isfinite(losses).all() and losses[-1] < 0.8 * losses[0]


def test_the_compiled_forward_pass_is_the_models_own():
    trained, batch = engine(dropout=0.5), batch_of(6)
    for name, logits in trained.forward(batch).items():
        np.testing.assert_allclose(logits, trained.model(batch)[name], atol=1e-6)


def test_an_engine_without_optimiser_answers():
    assert Engine(engine().model, None).forward(batch_of(3))["sentiment"].shape == (3, 3)


def test_batches_of_all_shapes_are_compiled_once(monkeypatch):
    trained, traces = engine(), []
    objective = trained.model.objective
    monkeypatch.setattr(trained.model, "objective", lambda batch: traces.append(1) or objective(batch))
    for rows in range(1, 8):
        trained.step(batch_of(rows, seed=rows))
    assert len(traces) == 1


@pytest.mark.parametrize("task", ["sentiment", "taste"])
def test_missing_labels_do_not_touch_the_loss(task):
    model = engine().model
    weight = np.array([0.2, 0.0] * 5, np.float32)
    batch = batch_of(10, **{f"{task}_weight": weight})
    name = "sentiment" if task == "sentiment" else "tastes"
    changed = batch[name].copy()
    changed[1::2] = 1
    assert float(model.objective({**batch, name: changed})) == pytest.approx(float(model.objective(batch)))


def test_no_label_at_all_gives_no_loss_and_no_nan():
    nothing = np.zeros(10, np.float32)
    trained = engine(weight_decay=0.0)
    before = [variable.numpy() for variable in trained.model.trainable_variables]
    assert float(trained.step(batch_of(10, sentiment_weight=nothing, taste_weight=nothing))) == 0.0
    for variable, value in zip(trained.model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_rdrop_pulls_two_passes_together():
    batch = batch_of(8, passes=2)
    assert float(engine(rdrop=1.0).model.objective(batch)) == pytest.approx(float(engine().model.objective(batch)))
    noisy = [engine(rdrop=rdrop, dropout=0.3).model for rdrop in (0.0, 5.0)]
    plain, pulled = (float(model.objective(batch)) for model in noisy)
    assert pulled > plain


def halves(batch):
    """The batch's rows in two batches of their own."""
    slots, mask = batch["layout"].slots, batch["layout"].mask
    texts = [batch["tokens"][slot[real]] for slot, real in zip(slots, mask, strict=True)]
    middle = len(texts) // 2
    for part in (slice(0, middle), slice(middle, None)):
        tokens, layout = pack(texts[part])
        rest = {name: batch[name][part] for name in ("sentiment", "tastes")}
        weights = {name: 2 * batch[name][part] for name in ("sentiment_weight", "taste_weight", "row_weight")}
        yield {"tokens": tokens, "layout": layout, "positive_weight": batch["positive_weight"], **rest, **weights}


def test_two_accumulated_halves_are_one_batch():
    whole, split, batch = engine(), engine(accumulate=2), batch_of(12)
    for _ in range(3):
        whole.step(batch)
        for half in halves(batch):
            split.step(half)
    for one, other in zip(whole.model.trainable_variables, split.model.trainable_variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=2e-4)


def test_dropout_drops_its_share_and_keeps_the_mean():
    x = np.ones((500, 64), np.float32)
    layer = Dropout(0.1, seed=1)
    dropped = np.array(layer(x, training=True))
    assert (dropped == 0).mean() == pytest.approx(0.1, abs=0.01)
    assert dropped.mean() == pytest.approx(1, abs=0.01)
    assert not np.array_equal(dropped, layer(x, training=True))
    np.testing.assert_array_equal(layer(x), x)
