"""The sequential judgement, simulated: how often a good version is rolled back, and whether bad ones are caught."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from sazon.settings import RolloutSettings
from serving.monitoring.metrics import GATEWAY_CALLS, GATEWAY_PREDICTIONS, GATEWAY_SHADOW_AGREEMENT, SHADOW
from serving.rollout.figures import BUCKET, Figures, Series, Window
from serving.rollout.judgement import Bounds, Judge, Verdict
from serving.rollout.sequential import Share, evidence_above, evidence_below
from serving.traffic import CANARY, STABLE

OLD, NEW = 1, 2
EDGES = tuple(0.001 * 1.5**power for power in range(24))
SENTIMENTS = ("negative", "neutral", "positive")
STEPS = 5


@dataclass(frozen=True)
class Behaviour:
    """What a simulated version does."""

    errors: float = 0.002
    median_s: float = 0.012
    mix: tuple[float, ...] = (0.3, 0.2, 0.5)
    agreement: float = 0.93


GOOD = Behaviour()


def simulate(rng, role: str, version: int, behaviour: Behaviour, calls: int) -> dict[Series, float]:
    """What a gateway counts in that many calls."""
    failed = rng.binomial(calls, behaviour.errors)
    seconds = behaviour.median_s * np.exp(0.4 * rng.standard_normal(calls))
    counts = {
        Series(GATEWAY_CALLS, role, version, "ok"): calls - failed,
        Series(GATEWAY_CALLS, role, version, "internal"): failed,
        Series(BUCKET, role, version, "inf"): calls,
    }
    for edge in EDGES:
        counts[Series(BUCKET, role, version, str(edge))] = int((seconds <= edge).sum())
    for sentiment, count in zip(SENTIMENTS, rng.multinomial(calls - failed, behaviour.mix), strict=True):
        counts[Series(GATEWAY_PREDICTIONS, role, version, sentiment)] = int(count)
    if role == SHADOW:
        for output in ("sentiment", "tastes"):
            same = rng.binomial(calls, behaviour.agreement)
            counts[Series(GATEWAY_SHADOW_AGREEMENT, SHADOW, version, f"{output}=true")] = same
            counts[Series(GATEWAY_SHADOW_AGREEMENT, SHADOW, version, f"{output}=false")] = calls - same
    return counts


def decide(rng, role: str, behaviour: Behaviour, share: float, looks: int = 60, calls: int = 200):
    """Judges at every look until there is a verdict; also the calls that the new version had answered."""
    judge = Judge(RolloutSettings(), OLD, NEW, STEPS)
    bounds = Bounds.of(Figures(simulate(rng, STABLE, OLD, GOOD, 1000)), OLD)
    counts: dict[Series, float] = {}
    for look in range(1, looks + 1):
        new = max(1, round(share * calls))
        gained = simulate(rng, role, NEW, behaviour, new)
        gained |= simulate(rng, STABLE, OLD, GOOD, calls if role == SHADOW else calls - new)
        counts = {series: counts.get(series, 0) + gained.get(series, 0) for series in counts | gained}
        judgement = judge.judge(role, Figures(counts), bounds)
        if judgement.verdict is not Verdict.OPEN:
            return judgement.verdict, look * new
    return Verdict.OPEN, looks * new


@pytest.mark.parametrize(("role", "share", "calls"), [(SHADOW, 0.5, 200), (CANARY, 0.5, 200), (CANARY, 0.95, 1000)])
def test_a_good_version_is_rarely_rolled_back_and_passes(role, share, calls, record_property):
    rng = np.random.default_rng(7)
    verdicts = [decide(rng, role, GOOD, share, calls=calls) for _ in range(20)]
    rolled_back = sum(verdict is Verdict.WORSE for verdict, _ in verdicts) / len(verdicts)
    record_property("false_rollbacks", rolled_back)
    record_property("median_calls_to_pass", float(np.median([calls for _, calls in verdicts])))
    assert rolled_back <= RolloutSettings().alpha / STEPS
    assert all(verdict is Verdict.GOOD for verdict, _ in verdicts)


BAD = {
    "errors": (CANARY, replace(GOOD, errors=0.05)),
    "slow": (CANARY, replace(GOOD, median_s=2 * GOOD.median_s)),
    "drifting": (CANARY, replace(GOOD, mix=(0.5, 0.3, 0.2))),
    "permuted": (SHADOW, replace(GOOD, agreement=0.35)),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_version_is_caught(kind, record_property):
    rng = np.random.default_rng(11)
    role, behaviour = BAD[kind]
    verdicts = [decide(rng, role, behaviour, 0.25, looks=100) for _ in range(20)]
    record_property("median_calls_to_rollback", float(np.median([calls for _, calls in verdicts])))
    assert all(verdict is Verdict.WORSE for verdict, _ in verdicts)


def test_evidence_reaches_one_in_alpha_no_more_often_than_alpha():
    """The hardest hypothesis that still holds: exactly one margin apart, looked at after every call."""
    rng = np.random.default_rng(3)
    alpha, margin, runs, calls = 0.1, 0.05, 120, 200
    crossed = 0
    for _ in range(runs):
        new, old = (rng.random(calls) < 0.15).cumsum(), (rng.random(calls) < 0.10).cumsum()
        looks = range(5, calls, 5)
        crossed += any(
            evidence_above(Share(new[look], look + 1), Share(old[look], look + 1), margin) >= math.log(1 / alpha)
            for look in looks
        )
    assert crossed / runs <= alpha


def test_evidence_grows_on_the_side_of_the_truth_alone():
    worse, better = Share(60, 400), Share(4, 400)
    assert evidence_above(worse, better, 0.03) > math.log(1000)
    assert evidence_below(worse, better, 0.03) == 0.0
    assert evidence_below(better, better, 0.05) > math.log(20)
    assert evidence_above(Share(0, 0), better, 0.0) == evidence_below(better, Share(0, 0), 0.5) == 0.0


def test_too_few_calls_decide_nothing():
    counts = simulate(np.random.default_rng(1), CANARY, NEW, GOOD, 30)
    counts |= simulate(np.random.default_rng(2), STABLE, OLD, GOOD, 1000)
    bounds = Bounds.of(Figures(counts), OLD)
    judge = Judge(RolloutSettings(), OLD, NEW, STEPS)
    assert judge.judge(CANARY, Figures(counts), bounds).verdict is Verdict.OPEN
    assert judge.judge(CANARY, Figures(), bounds).verdict is Verdict.OPEN


def test_a_window_counts_what_was_gained_and_survives_restarts():
    calls = Series(GATEWAY_CALLS, CANARY, NEW, "ok")
    late = Series(GATEWAY_CALLS, CANARY, NEW, "internal")
    window = Window().add({"a": {calls: 100.0}}).add({"a": {calls: 130.0, late: 2.0}})
    assert window.gained == {calls: 30.0, late: 2.0}
    window = window.add({"b": {calls: 500.0}})  # a gateway's past before it was first seen does not count
    window = Window.from_json(window.as_json()).add({"a": {calls: 10.0}, "b": {calls: 501.0}})
    assert window.gained[calls] == 41.0  # a began anew at zero
    assert window.opened_anew().add({"a": {calls: 11.0}}).gained == {calls: 1.0}
