"""The shipped cases and hard texts hold what they promise, and no model has trained on them."""

from collections import Counter

import pytest

from data import CASES, SAMPLE
from data.reading import read_cells
from models.evaluation.behaviour import KINDS, read_cases, read_hard_texts
from sazon.schema import SENTIMENTS, TASTES
from sazon.text import normalise_for_grouping

EXPECTED = {
    "minimum": set(SENTIMENTS),
    "invariance": {"", "same"},
    "direction": {"less_positive", "more_positive"},
    "taste_present": set(TASTES),
    "taste_absent": set(TASTES),
}


@pytest.fixture(scope="module")
def cases():
    return read_cases()


@pytest.fixture(scope="module")
def hard():
    return read_hard_texts()


def test_every_case_can_be_judged(cases):
    assert set(EXPECTED) == set(KINDS)
    for case in cases:
        assert case.capability, case
        assert case.text, case
        assert case.expected in EXPECTED[case.kind], case
        assert bool(case.other) is (case.kind in ("invariance", "direction")), case
        assert case.text != case.other, case


def test_no_case_and_no_hard_text_occurs_twice(cases, hard):
    pairs = Counter((case.kind, case.text, case.other, case.expected) for case in cases)
    assert [pair for pair, count in pairs.items() if count > 1] == []
    texts = Counter(map(normalise_for_grouping, hard["text"]))
    assert [text for text, count in texts.items() if count > 1] == []


def test_the_hard_texts_are_three_hundred_with_all_sentiments_in_every_phenomenon(hard):
    assert len(hard) == 300
    counts = hard.groupby("phenomenon")["sentiment"].agg(["size", "nunique"])
    assert set(counts.index) == {"negation", "irony", "contrast", "slang", "code_mixing"}
    assert (counts["size"] >= 20).all()
    assert (counts["nunique"] == 3).all()


def test_none_of_the_texts_is_in_the_sample(cases, hard):
    trained_on = set(map(normalise_for_grouping, read_cells(SAMPLE)["text"]))
    asked = [text for case in cases for text in (case.text, case.other) if text]
    assert [text for text in [*asked, *hard["text"]] if normalise_for_grouping(text) in trained_on] == []


def test_the_capabilities_of_the_plan_are_all_there():
    assert {
        "negation",
        "contrast",
        "accents_dropped",
        "slang",
        "quechua_loans",
        "english_loans",
        "emoji",
        "elongation",
        "names_swapped",
    } <= set(read_cells(CASES)["capability"])
