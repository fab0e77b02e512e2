import pytest

from models.evaluation.blessing import judge
from sazon.settings import GateSettings

GATES = GateSettings(above_majority=0.05, below_baseline=0.10)
COMPARISONS = {"forest": {"p_value": 0.5}, "tfidf": {"p_value": 0.0421}}


def report(value, low=None, majority=0.2):
    interval = {"value": value, "low": value - 0.03 if low is None else low, "high": value + 0.03}
    return {"sentiment": {"macro_f1": interval, "majority_macro_f1": majority}}


def verdict_on(own, low, baseline, comparisons=COMPARISONS):
    return judge(report(own, low), {"forest": report(0.2), "tfidf": report(baseline)}, GATES, comparisons)


@pytest.mark.parametrize(
    ("own", "low", "baseline", "blessed", "words"),
    [
        (0.70, 0.67, 0.75, True, "0.050 below tfidf (0.750, p = 0.042)"),
        (0.80, 0.77, 0.75, True, "0.050 above tfidf"),
        (0.60, 0.57, 0.75, False, "more than the allowed 0.10"),
        (0.30, 0.24, 0.30, False, "majority class"),
        (0.30, 0.26, 0.30, True, "majority class (0.200), 0.000 above"),
    ],
)
def test_the_verdict_and_its_reason(own, low, baseline, blessed, words):
    verdict = verdict_on(own, low, baseline)
    assert verdict.blessed is blessed
    assert words in verdict.reason


def test_the_reason_tells_how_the_champion_did_on_the_same_rows():
    champion = {"difference": {"value": -0.012}, "p_value": 0.00009}
    verdict = verdict_on(0.8, 0.77, 0.75, {**COMPARISONS, "champion": champion})
    assert verdict.reason.endswith("; 0.012 below the champion (p < 0.001)")
