"""Judges a version against the champion from what the gateways counted.

Every criterion is a share: of failed calls, of calls slower than the champion's median or 99th percentile, of texts
that were given a sentiment, of texts on which the two disagree. Each is tested in both directions (`sequential`):
evidence that it is beyond its margin rolls back, evidence that it is within lets pass, and neither means to wait.
`alpha` is divided by all criteria of all steps, so that it bounds the probability to roll back a version that is within
all margins; a version beyond a margin passes with a probability of at most `beta`, since every criterion must pass.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sazon.schema import SENTIMENTS
from sazon.settings import RolloutSettings
from serving.monitoring.metrics import SHADOW
from serving.rollout.figures import Figures
from serving.rollout.sequential import Share, evidence_above, evidence_below
from serving.traffic import STABLE

QUANTILES: Final = (0.5, 0.99)
_MOST_CRITERIA: Final = 12
"""Errors, three bounds of latency, three sentiments in two directions, two agreements."""


class Verdict(StrEnum):
    """What the evidence allows to say."""

    WORSE = "worse"
    OPEN = "open"
    GOOD = "good"


@dataclass(frozen=True)
class Bounds:
    """Latencies to compare at, in seconds, from the histogram of the champion before the comparison.

    Attributes:
        median: the bounds of the bucket that holds the champion's median, so that a shift shows at one of them.
        tail: the upper bound of the bucket that holds its 99th percentile.
    """

    median: tuple[float, ...]
    tail: float

    @classmethod
    def of(cls, figures: Figures, version: int) -> "Bounds":
        """From the calls that the champion answered as the stable version; there must be some."""
        buckets = figures.buckets(STABLE, version)
        total = buckets.get(math.inf, 0.0)
        upper = [next(bound for bound, count in buckets.items() if count >= share * total) for share in QUANTILES]
        below = max((bound for bound in buckets if bound < upper[0]), default=0.0)
        return cls(tuple(bound for bound in (below, upper[0]) if 0 < bound < math.inf), upper[1])


@dataclass(frozen=True)
class Criterion:
    """One comparison: `share` must not be more than `margin` above `reference`."""

    name: str
    share: Share
    reference: Share | float
    margin: float


@dataclass(frozen=True)
class Judgement:
    """Verdict over all criteria, and the figures behind it."""

    verdict: Verdict
    reason: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Judge:
    """Compares two versions with the settings' margins and error rates."""

    settings: RolloutSettings
    champion: int
    candidate: int
    steps: int

    def judge(self, role: str, figures: Figures, bounds: Bounds) -> Judgement:
        """Weighs all criteria.

        Args:
            role: in which the candidate was asked, `shadow` or `canary`.
            figures: of both versions, in the same minutes.
            bounds: where latencies are compared.
        """
        worse_at = math.log(self.steps * _MOST_CRITERIA / self.settings.alpha)
        good_at = math.log(1 / self.settings.beta)
        open_criteria, report = [], {}
        for criterion in self._criteria(role, figures, bounds):
            above = evidence_above(criterion.share, criterion.reference, criterion.margin)
            below = evidence_below(criterion.share, criterion.reference, criterion.margin)
            report[criterion.name] = _describe(criterion)
            if above >= worse_at:
                return Judgement(Verdict.WORSE, _complaint(criterion), report)
            if below < good_at:
                open_criteria.append(criterion.name)
        calls = min(figures.calls(role, self.candidate), figures.calls(STABLE, self.champion))
        if calls < self.settings.min_samples:
            return Judgement(Verdict.OPEN, f"{calls:.0f} of {self.settings.min_samples} calls", report)
        if open_criteria:
            return Judgement(Verdict.OPEN, f"not yet decided: {', '.join(open_criteria)}", report)
        return Judgement(Verdict.GOOD, f"all criteria within their margins after {calls:.0f} calls", report)

    def _criteria(self, role: str, figures: Figures, bounds: Bounds) -> Iterator[Criterion]:
        """At most `_MOST_CRITERIA`."""
        chosen, new, old = self.settings, self.candidate, self.champion
        errors = figures.errors(role, new), figures.errors(STABLE, old)
        yield Criterion("errors", *errors, chosen.error_margin)
        slow = [("median", bound, chosen.median_margin) for bound in bounds.median]
        for name, bound, margin in [*slow, ("p99", bounds.tail, chosen.tail_margin)]:
            shares = figures.slower_than(role, new, bound), figures.slower_than(STABLE, old, bound)
            yield Criterion(f"{name}: slower than {bound * 1000:g} ms", *shares, margin)
        yield from self._drift(role, figures)
        if role == SHADOW:
            for output, least in (("sentiment", chosen.agreement), ("tastes", chosen.taste_agreement)):
                yield Criterion(f"disagreement on {output}", figures.disagreement(new, output), 1.0 - least, 0.0)

    def _drift(self, role: str, figures: Figures) -> Iterator[Criterion]:
        new, old = figures.predicted(role, self.candidate), figures.predicted(STABLE, self.champion)
        totals = [next(iter(shares.values()), Share(0, 0)).total for shares in (new, old)]
        for sentiment in SENTIMENTS:
            there, here = (Share(shares[sentiment].hits if sentiment in shares else 0, total)
                           for shares, total in zip((new, old), totals, strict=True))  # fmt: skip
            yield Criterion(f"more {sentiment}", there, here, self.settings.drift_margin)
            yield Criterion(f"less {sentiment}", here, there, self.settings.drift_margin)


def _describe(criterion: Criterion) -> dict[str, float | None]:
    reference = criterion.reference.value if isinstance(criterion.reference, Share) else criterion.reference
    values = {"share": criterion.share.value, "reference": reference, "margin": criterion.margin}
    return {name: None if math.isnan(value) else round(value, 5) for name, value in values.items()} | {
        "calls": criterion.share.total
    }


def _complaint(criterion: Criterion) -> str:
    figures = _describe(criterion)
    return (
        f"{criterion.name}: {figures['share']:.1%} of {figures['calls']:.0f}, against {figures['reference']:.1%} "
        f"+ {criterion.margin:.1%} tolerated"
    )
