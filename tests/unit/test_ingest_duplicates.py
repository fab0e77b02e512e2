"""Texts that are nearly the same."""

import numpy as np
import polars as pl

from data import SAMPLE
from data.duplicates import NearDuplicates, near_keys
from data.ingest.seen import KeySet, row_keys

TEXTS = pl.read_csv(SAMPLE, columns=["text"], n_rows=1500)["text"].unique(maintain_order=True)
LONG = TEXTS.filter(TEXTS.str.len_chars() > 60)


def names(prefix, count):
    return pl.Series([f"{prefix}{number}" for number in range(count)])


def test_small_changes_are_found_and_other_texts_are_not():
    index = NearDuplicates()
    assert index.match(near_keys(LONG), names("a", len(LONG))).is_not_null().mean() < 0.02
    changed = pl.Series([f"¡{text.upper()}!! 😋" for text in LONG])
    found = index.match(near_keys(changed), names("b", len(LONG)))
    assert (found == names("a", len(LONG))).sum() / len(LONG) > 0.97


def test_short_texts_are_left_alone():
    index = NearDuplicates()
    short = pl.Series(["rico", "rico", "", "muy rico", "😋😋😋"])
    assert index.match(near_keys(short), names("a", 5)).is_null().all()


def test_keys_do_not_depend_on_the_company():
    alone = np.vstack([near_keys(LONG[number : number + 1]) for number in range(20)])
    assert (near_keys(LONG)[:20] == alone).all()


def test_the_earliest_is_named_across_many_batches():
    index, text = NearDuplicates(), LONG[:1]
    for number in range(20):
        others = LONG[1 + 10 * number : 11 + 10 * number]
        batch = pl.concat([others, text]) if number else pl.concat([text, others])
        found = index.match(near_keys(batch), names(f"{number}-", len(batch)))
    assert found[-1] == "0-0"


def test_a_set_of_keys_holds_what_was_added():
    chance, keys, plain = np.random.default_rng(7), KeySet(), set()
    for _ in range(40):
        some = chance.integers(0, 3000, chance.integers(0, 60), np.uint64)
        assert keys.contains(some).tolist() == [int(one) in plain for one in some]
        keys.add(some)
        plain.update(map(int, some))


def test_row_keys_are_the_same_for_ever():
    frame = pl.DataFrame({"a": ["x", None], "b": [1, 2]})
    assert row_keys(frame, ("a", "b")).to_list() == row_keys(frame.clone(), ("a", "b")).to_list()
    assert row_keys(frame, ("a", "b"))[0] == 16_659_372_503_169_404_573
