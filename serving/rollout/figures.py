"""What the gateways counted of each version since a moment; survives restarts of gateways and of the controller."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from serving.monitoring.metrics import (
    GATEWAY_CALLS,
    GATEWAY_INFERENCE_DURATION,
    GATEWAY_PREDICTIONS,
    GATEWAY_SHADOW_AGREEMENT,
    OK,
    SHADOW,
)
from serving.rollout.sequential import Share

BUCKET = f"{GATEWAY_INFERENCE_DURATION}_bucket"
COUNTED = (GATEWAY_CALLS, BUCKET, GATEWAY_PREDICTIONS, GATEWAY_SHADOW_AGREEMENT)
"""Series that are read."""


class Series(NamedTuple):
    """One counter, summed over whatever else its labels tell apart."""

    name: str
    role: str
    version: int
    detail: str

    @classmethod
    def of(cls, name: str, labels: Mapping[str, str]) -> Self | None:
        """Reads a sample's labels; None for a sample that says nothing about a version."""
        version = labels.get("model_version", "")
        if name not in COUNTED or not version.isdigit():
            return None
        detail = {
            GATEWAY_CALLS: labels.get("outcome", ""),
            BUCKET: str(float(labels.get("le", "inf"))),
            GATEWAY_PREDICTIONS: labels.get("sentiment", ""),
            GATEWAY_SHADOW_AGREEMENT: f"{labels.get('output')}={labels.get('agrees')}",
        }[name]
        return cls(name, labels.get("role", SHADOW), int(version), detail)


Reading = Mapping[str, Mapping[Series, float]]
"""Counters by gateway, as they stand."""


@dataclass(frozen=True)
class Figures:
    """Counts since the window was opened."""

    counts: Mapping[Series, float] = field(default_factory=dict)

    def calls(self, role: str, version: int) -> float:
        """Calls made to the version in that role."""
        return sum(self._of(GATEWAY_CALLS, role, version).values())

    def errors(self, role: str, version: int) -> Share:
        """Calls that failed."""
        outcomes = self._of(GATEWAY_CALLS, role, version)
        total = sum(outcomes.values())
        return Share(total - outcomes.get(OK, 0.0), total)

    def slower_than(self, role: str, version: int, bound_s: float) -> Share:
        """Calls that took longer than a bound of the histogram's buckets."""
        buckets = self.buckets(role, version)
        total = buckets.get(float("inf"), 0.0)
        return Share(max(0.0, total - buckets.get(bound_s, 0.0)), total)

    def buckets(self, role: str, version: int) -> dict[float, float]:
        """Calls that took at most so many seconds, by that bound, rising."""
        found = self._of(BUCKET, role, version)
        return dict(sorted((float(text), count) for text, count in found.items()))

    def predicted(self, role: str, version: int) -> dict[str, Share]:
        """Share of each predicted sentiment."""
        found = self._of(GATEWAY_PREDICTIONS, role, version)
        return {sentiment: Share(count, sum(found.values())) for sentiment, count in sorted(found.items())}

    def disagreement(self, version: int, output: str) -> Share:
        """Shadowed texts for which the version said something else than the champion."""
        found = self._of(GATEWAY_SHADOW_AGREEMENT, SHADOW, version)
        differing, same = (found.get(f"{output}={agrees}", 0.0) for agrees in ("false", "true"))
        return Share(differing, differing + same)

    def _of(self, name: str, role: str, version: int) -> dict[str, float]:
        wanted = (name, role, version)
        return {series.detail: count for series, count in self.counts.items() if series[:3] == wanted}


@dataclass(frozen=True)
class Window:
    """Adds up what the counters gained since it was opened.

    Attributes:
        last: the counters at the last reading, by gateway.
        gained: since the window was opened, over all gateways.
    """

    last: Reading = field(default_factory=dict)
    gained: Mapping[Series, float] = field(default_factory=dict)

    def add(self, reading: Reading) -> "Window":
        """Takes in a reading; what a gateway counted before it was first seen is no part of the window.

        A counter that fell began anew at zero.
        """
        gained = defaultdict(float, self.gained)
        for gateway, counters in reading.items():
            before = self.last.get(gateway)
            for series, count in counters.items() if before is not None else ():
                known = (before or {}).get(series, 0.0)
                gained[series] += count - known if count >= known else count
        return Window({**self.last, **reading}, dict(gained))

    def opened_anew(self) -> "Window":
        """The same counters, with nothing gained."""
        return Window(self.last, {})

    @property
    def figures(self) -> Figures:
        """What was gained."""
        return Figures(self.gained)

    def as_json(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "last": {gateway: counts_as_json(counters) for gateway, counters in self.last.items()},
            "gained": counts_as_json(self.gained),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Window":
        """What `as_json` wrote."""
        last = {gateway: counts_from_json(rows) for gateway, rows in document.get("last", {}).items()}
        return cls(last, counts_from_json(document.get("gained", [])))


def counts_as_json(counts: Mapping[Series, float]) -> list[list[Any]]:
    """One list a series: its four fields, then the count."""
    return [[*series, count] for series, count in counts.items()]


def counts_from_json(rows: list[list[Any]]) -> dict[Series, float]:
    """What `counts_as_json` wrote."""
    return {Series(*row[:4]): row[4] for row in rows}
