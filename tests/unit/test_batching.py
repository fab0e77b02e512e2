"""Batches: every row once an epoch, the same again from any point, weights that mean what they say."""

import numpy as np
import pytest

from models.inputs.batching import Batches, LabelWeights, order_rows
from models.inputs.example_store import ExampleStore, TokenisedRows
from sazon.settings import TrainSettings

MASK = 4


@pytest.fixture
def make_store(tmp_path):
    """Fifty rows of three to thirty tokens, in two parts; tokens are at least 5."""

    def make(rows=50, **changes):
        rng = np.random.default_rng(0)
        columns = {
            "sentiment": rng.integers(0, 3, rows),
            "tastes": rng.random((rows, 10)) < 0.3,
            "tastes_labelled": np.ones(rows, bool),
            **changes,
        }
        tokens = [rng.integers(5, 50, rng.integers(3, 30)).astype(np.int32) for _ in range(rows)]
        parts = [
            TokenisedRows(tokens[part], *(columns[name][part] for name in ("sentiment", "tastes", "tastes_labelled")))
            for part in (slice(0, rows // 3), slice(rows // 3, rows))
        ]
        return ExampleStore.write(tmp_path / "store", parts)

    return make


def batches_of(store, **settings):
    chosen = TrainSettings(**{"batch_size": 8, "token_dropout": 0.0, **settings})
    return Batches(store, chosen, LabelWeights.even(), MASK)


def texts_in(batch):
    slots, mask = batch["layout"].slots, batch["layout"].mask
    return [tuple(batch["tokens"][slot[real]].tolist()) for slot, real in zip(slots, mask, strict=True)]


def test_the_store_gives_back_what_was_written(make_store):
    store = make_store(sentiment=np.array([-1, 0, 1, 2, 0] * 10))
    assert len(store) == 50 and store.rows["sentiment"][:5].tolist() == [-1, 0, 1, 2, 0]
    assert [len(store.tokens(row)) for row in range(50)] == store.lengths.tolist()


def test_a_store_without_rows_can_be_opened(tmp_path):
    assert len(ExampleStore.write(tmp_path / "empty", [])) == 0


def test_an_epoch_holds_every_row_once(make_store):
    store = make_store()
    made = list(batches_of(store).of_epoch(0))
    assert len(made) == len(batches_of(store)) == 7
    seen = sorted(text for batch in made for text in texts_in(batch))
    assert seen == sorted(tuple(store.tokens(row).tolist()) for row in range(50))


def test_batches_hold_texts_of_like_length():
    lengths = np.random.default_rng(2).integers(3, 60, 1000)
    batches = order_rows(lengths, 32, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(1000))
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert lengths.sum() / padded > 0.9


def same(one, other):
    return texts_in(one) == texts_in(other) and np.array_equal(one["sentiment"], other["sentiment"])


def test_batches_follow_from_seed_epoch_and_number(make_store):
    batches = batches_of(make_store(), token_dropout=0.3)
    whole = list(batches.of_epoch(2))
    later = list(batches.of_epoch(2, start=3))
    assert len(later) == 4 and all(map(same, whole[3:], later))
    assert not all(map(same, whole, batches.of_epoch(3)))
    assert not all(map(same, whole, batches_of(batches.store, token_dropout=0.3, seed=14).of_epoch(2)))


def test_dropped_tokens_are_masked_but_never_the_first_and_the_last(make_store):
    texts = [text for batch in batches_of(make_store(), token_dropout=0.9).of_epoch(0) for text in texts_in(batch)]
    assert all(MASK not in (text[0], text[-1]) for text in texts)
    inner = [token for text in texts for token in text[1:-1]]
    assert 0.85 < inner.count(MASK) / len(inner) < 0.95


def test_dropping_tokens_leaves_the_store_as_it_was(make_store):
    store = make_store()
    before = [store.tokens(row).tolist() for row in range(50)]
    list(batches_of(store, token_dropout=0.9).of_epoch(0))
    assert [store.tokens(row).tolist() for row in range(50)] == before


def test_weights_add_up_to_one_over_the_rows_that_have_a_label(make_store):
    half = np.array([1, -1] * 25)
    store = make_store(sentiment=half, tastes_labelled=half < 0)
    for batch in batches_of(store).of_epoch(0):
        assert batch["row_weight"].sum() == pytest.approx(1.0)
        for name in ("sentiment_weight", "taste_weight"):
            assert batch[name].sum() == pytest.approx(1.0 if batch[name].any() else 0.0)
        assert not np.any((batch["sentiment_weight"] > 0) & (batch["taste_weight"] > 0))


def test_rdrop_gives_each_row_twice_in_two_halves(make_store):
    store = make_store()
    for once, twice in zip(batches_of(store).of_epoch(0), batches_of(store, rdrop=1.0).of_epoch(0), strict=True):
        texts = texts_in(twice)
        half = len(texts) // 2
        assert texts[:half] == texts[half:] == texts_in(once)
        assert np.array_equal(twice["sentiment"][:half], twice["sentiment"][half:])
        assert twice["sentiment_weight"].sum() == pytest.approx(1.0)
        assert twice["row_weight"][:half].sum() == pytest.approx(1.0)


def test_rare_labels_weigh_more(make_store):
    weights = LabelWeights.balancing(make_store(100, sentiment=np.array([0] * 80 + [1] * 15 + [2] * 5)))
    assert weights.sentiment[0] < weights.sentiment[1] < weights.sentiment[2] <= 4


def test_labels_that_nobody_gave_weigh_as_all_others(make_store):
    weights = LabelWeights.balancing(make_store(sentiment=np.full(50, -1), tastes_labelled=np.zeros(50, bool)))
    assert weights.sentiment.tolist() == [1.0] * 3 and weights.positive_tastes.tolist() == [1.0] * 10
