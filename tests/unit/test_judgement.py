"""The whole report, on data that the baselines learn in a moment."""

import json

import pandas as pd
import pytest

from models.evaluation.baselines import Baseline
from models.evaluation.judgement import EVALUATOR_REFUSED, Champion, measure_baselines, report_on
from sazon.settings import GateSettings

WORDS = {"positive": ("rico", "buenazo"), "negative": ("feo", "malo"), "neutral": ("normal", "regular")}


def easy_rows(count):
    sentiments = [list(WORDS)[number % 3] for number in range(count)]
    return pd.DataFrame(
        {
            "text": [f"el caldo {WORDS[name][number // 3 % 2]} {number}" for number, name in enumerate(sentiments)],
            "sentiment": sentiments,
            "tastes": [("salado",) if number % 2 else () for number in range(count)],
            "tastes_labelled": 1,
            "region": "Lima",
        }
    )


@pytest.fixture(scope="module")
def held_out():
    return easy_rows(90)


@pytest.fixture(scope="module")
def baselines(held_out):
    return measure_baselines(easy_rows(60), held_out)


def report(held_out, baselines, train, **options):
    return report_on(Baseline("tfidf_logistic").fit(train), held_out, baselines, GateSettings(), **options)


def test_a_good_candidate_is_blessed_and_measured_from_every_side(held_out, baselines):
    good = report(held_out, baselines, easy_rows(60), temperature=1.5)
    assert good["verdict"]["blessed"]
    assert good["candidate"]["sentiment"]["macro_f1"]["value"] == 1.0
    assert good["candidate"]["sentiment"]["unscaled"]
    assert set(good["comparisons"]) == set(good["baselines"]) == {"tfidf_logistic", "random_forest"}
    assert good["comparisons"]["tfidf_logistic"]["p_value"] == 1.0
    assert good["mistakes"] == []
    for figures in (good["candidate"], *good["baselines"].values()):
        assert figures["behaviour"]["cases"]["overall"]["cases"] > 200
        assert figures["behaviour"]["hard"]["sentiment"]["rows"] == 300
    json.dumps(good, allow_nan=False)


def test_a_bad_candidate_is_rejected_with_its_mistakes_and_compared_with_the_champion(held_out, baselines):
    wrong = {"positive": "negative", "negative": "neutral", "neutral": "positive"}
    misled = easy_rows(60).assign(sentiment=lambda rows: rows["sentiment"].map(wrong))
    champion = Champion("models:/taste/4", Baseline("tfidf_logistic").fit(easy_rows(60)))
    bad = report(held_out, baselines, misled, champion=champion)
    assert not bad["verdict"]["blessed"]
    assert bad["comparisons"]["champion"]["model"] == "models:/taste/4"
    assert bad["comparisons"]["champion"]["difference"]["value"] == -1.0
    assert bad["comparisons"]["champion"]["p_value"] < 0.001
    assert len(bad["mistakes"]) == 50
    assert bad["mistakes"][0]["confidence"] >= bad["mistakes"][-1]["confidence"]
    assert bad["failures"]


def test_what_the_evaluator_refused_is_not_blessed(held_out, baselines):
    refused = report(held_out, baselines, easy_rows(60), evaluator_blessed=False)
    assert refused["verdict"] == {"blessed": False, "reason": EVALUATOR_REFUSED}
