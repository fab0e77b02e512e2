import numpy as np
import pytest

from models.encoder import TransformerLayer
from models.examples import Examples, batch_rows, pad, training_dataset
from models.fitting import balance, choose_thresholds, predict
from models.taste_model import TasteModel
from sazon.settings import EncoderSettings

SIZE = EncoderSettings(layers=2, hidden=16, heads=2, intermediate=32, vocabulary=200, max_tokens=32)


@pytest.fixture(scope="module")
def model():
    made = TasteModel(50, SIZE)
    made(np.array([[2, 7, 3]], np.int32))
    return made


def examples(rows=10, **changes):
    rng = np.random.default_rng(0)
    tokens = [rng.integers(5, 50, rng.integers(3, 20)).astype(np.int32) for _ in range(rows)]
    columns = {
        "sentiment": rng.integers(0, 3, rows).astype(np.int32),
        "sentiment_weight": np.ones(rows, np.float32),
        "tastes": (rng.random((rows, 10)) < 0.3).astype(np.float32),
        "taste_weight": np.ones(rows, np.float32),
    }
    return Examples(tokens, **{**columns, **changes})


def test_padding_changes_no_answer(model):
    short = np.array([[2, 7, 9, 3]], np.int32)
    padded = np.pad(short, ((0, 0), (0, 12)))
    for name, logits in model(short).items():
        np.testing.assert_allclose(logits, model(padded)[name], atol=1e-5)


def test_a_text_is_answered_alike_alone_and_in_a_batch(model):
    tokens = examples(40).tokens
    together, alone = predict(model, tokens), [predict(model, [row]) for row in tokens]
    np.testing.assert_allclose(together[0], np.concatenate([pair[0] for pair in alone]), atol=1e-5)
    np.testing.assert_allclose(together[1], np.concatenate([pair[1] for pair in alone]), atol=1e-5)


def test_the_cls_only_layer_is_the_first_row_of_the_full_one():
    hidden = np.random.default_rng(1).normal(size=(3, 6, 16)).astype(np.float32)
    mask = np.arange(6)[None] < np.array([[6], [4], [1]])
    full, first = TransformerLayer(SIZE, 0.0, cls_only=False), TransformerLayer(SIZE, 0.0, cls_only=True)
    everything = full(hidden, mask)
    first(hidden, mask)
    first.set_weights(full.get_weights())
    np.testing.assert_allclose(first(hidden, mask), everything[:, :1], atol=1e-5)


@pytest.mark.parametrize("task", ["sentiment", "taste"])
def test_unlabelled_rows_do_not_touch_the_loss(model, task):
    half = np.array([1.0, 0.0] * 5, np.float32)
    rows = examples(**{f"{task}_weight": half})
    logits = model(pad(rows.tokens))
    changed = {**rows.targets(slice(None))}
    name = "sentiment" if task == "sentiment" else "tastes"
    changed[name] = np.where((half == 0) if task == "sentiment" else (half == 0)[:, None], 1, changed[name])
    before = float(model.compute_loss(y=rows.targets(slice(None)), y_pred=logits))
    assert float(model.compute_loss(y=changed, y_pred=logits)) == pytest.approx(before)


def test_no_label_at_all_gives_no_loss_and_no_nan(model):
    rows = examples(sentiment_weight=np.zeros(10, np.float32), taste_weight=np.zeros(10, np.float32))
    assert float(model.compute_loss(y=rows.targets(slice(None)), y_pred=model(pad(rows.tokens)))) == 0.0


def test_rare_labels_weigh_more():
    rows = examples(100, sentiment=np.array([0] * 80 + [1] * 15 + [2] * 5, np.int32))
    weights = balance(rows)
    assert weights.sentiment[0] < weights.sentiment[1] < weights.sentiment[2] <= 4
    nothing = balance(examples(5, taste_weight=np.zeros(5, np.float32)))
    assert nothing.positive_tastes.tolist() == [1.0] * 10


def test_batches_hold_every_row_once_and_little_padding():
    lengths = np.random.default_rng(2).integers(3, 60, 1000)
    batches = batch_rows(lengths, 32, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(1000))
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert lengths.sum() / padded > 0.9


def test_an_epoch_counts_its_steps_once():
    rows = examples(50)
    model = TasteModel(50, SIZE)
    model.compile(optimizer="sgd", jit_compile=False)
    dataset = training_dataset(rows, 8, seed=1)
    model.fit(dataset, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == 2 * int(dataset.cardinality()) == 14


def test_a_taste_that_was_never_labelled_is_never_named(model):
    rows = examples(40)
    untaught = examples(40, taste_weight=np.zeros(40, np.float32))
    assert max(choose_thresholds(model, rows, rows)) < 1
    assert min(choose_thresholds(model, untaught, rows)) > 1
