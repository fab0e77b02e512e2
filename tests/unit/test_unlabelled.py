"""The corpus of the shipped encoder knows nothing of the texts that models are measured on."""

import unicodedata

import pandas as pd
import pytest

from data import HARD, SAMPLE, UNLABELLED

_WORDS = 6


def words(text):
    bare = unicodedata.normalize("NFD", text.lower())
    return "".join(letter if letter.isalnum() else " " for letter in bare if not unicodedata.combining(letter)).split()


def runs(texts):
    """All runs of six words."""
    return {tuple(found[at : at + _WORDS]) for found in map(words, texts) for at in range(len(found) - _WORDS + 1)}


@pytest.fixture(scope="module")
def corpus():
    return [line for path in sorted(UNLABELLED.glob("*.txt")) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("place", [SAMPLE, HARD], ids=["feedback", "hard"])
def test_no_measured_text_is_in_it(corpus, place):
    rows = pd.read_csv(place, keep_default_na=False)
    measured = rows[rows["split"] != "train"]["text"] if "split" in rows else rows["text"]
    assert not {tuple(words(text)) for text in corpus} & {
        tuple(words(text)) for text in measured if len(words(text)) > 3
    }
    shared = runs(corpus) & runs(measured)
    assert len(shared) < 0.01 * len(runs(measured)), sorted(shared)[:5]


def test_texts_are_single_lines_and_hardly_any_occurs_twice(corpus):
    assert len(corpus) > 10_000
    assert len(set(corpus)) > 0.999 * len(corpus)
    assert all(text == text.strip() and text for text in corpus)
