"""A failing model is reported as failing, a passing one as passing, kind by kind."""

import json

import pytest

from models.evaluation.behaviour import Case, measure_behaviour, run_cases

CASES = [
    Case("plain", "minimum", "El ceviche estuvo rico", "", "positive"),
    Case("negation", "minimum", "El ceviche no estuvo rico", "", "negative"),
    Case("negation", "direction", "Recomiendo este local", "No recomiendo este local", "less_positive"),
    Case("accents_dropped", "invariance", "Pésimo el caldo", "Pesimo el caldo", ""),
    Case("taste", "taste_present", "Bien picante el rocoto", "", "picante"),
    Case("taste", "taste_absent", "El rocoto no quema", "", "picante"),
]


def test_a_classifier_that_knows_the_rules_passes_everything(rules):
    verdicts = run_cases(rules(), CASES)
    assert (verdicts.overall.cases, verdicts.overall.rate) == (6, 1.0)
    assert verdicts.failures == []


@pytest.mark.parametrize(
    ("lacking", "failed"),
    [
        ("negation", [("negation", "minimum", "positive"), ("negation", "direction", "+0.58 → +0.58")]),
        ("accents", [("accents_dropped", "invariance", "neutral → negative")]),
    ],
)
def test_what_a_classifier_cannot_do_is_reported_with_its_answer(rules, lacking, failed):
    verdicts = run_cases(rules(**{lacking: False}), CASES)
    assert [(case["capability"], case["kind"], case["answer"]) for case in verdicts.failures] == failed
    assert verdicts.capabilities[failed[0][0]].rate == 0.0
    assert verdicts.capabilities["plain"].rate == 1.0
    assert verdicts.overall.passed == 6 - len(failed)
    for kind, line in verdicts.kinds.items():
        assert line.passed == line.cases - sum(kind == case[1] for case in failed)


def test_an_invented_and_a_missed_taste_fail(rules):
    cases = [
        Case("taste", "taste_absent", "nada picante", "", "picante"),
        Case("taste", "taste_present", "quema la lengua", "", "picante"),
    ]
    assert [case["answer"] for case in run_cases(rules(), cases).failures] == ["picante", "no taste"]


def test_the_shipped_cases_and_hard_texts_are_measured(rules):
    knowing, ignorant = (measure_behaviour(rules(negation=negation)) for negation in (True, False))
    figures = knowing.as_dict()
    json.dumps(figures, allow_nan=False)
    assert figures["hard"]["sentiment"]["rows"] == 300
    assert "phenomenon=irony" in figures["hard"]["slices"]
    assert knowing.verdicts.capabilities["negation"].rate > ignorant.verdicts.capabilities["negation"].rate
