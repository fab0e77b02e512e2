"""Counters and histograms in Prometheus' text format, with names that Prometheus' own client refuses."""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


class Counter:
    """A family of counts, one per combination of label values; safe to use from several threads."""

    kind = "counter"

    def __init__(self, name: str, labels: tuple[str, ...] = ()) -> None:
        self.name, self._labels = name, labels
        self._values: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def add(self, *values: str, amount: int = 1) -> None:
        """Counts; one value per label."""
        with self._lock:
            self._values[values] = self._values.get(values, 0) + amount

    def lines(self) -> Iterator[str]:
        """The family's samples."""
        with self._lock:
            samples = sorted(self._values.items())
        for values, count in samples:
            yield f"{self.name}{_labelled(self._labels, values)} {count}"


@dataclass
class _Cell:
    counts: list[int]
    total: float = 0.0


@dataclass
class Histogram:
    """A family of distributions, one per combination of label values; safe to use from several threads."""

    name: str
    labels: tuple[str, ...]
    bounds: Sequence[float]
    kind = "histogram"
    _cells: dict[tuple[str, ...], _Cell] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def observe(self, value: float, *values: str) -> None:
        """Adds a value; then one value per label."""
        with self._lock:
            cell = self._cells.get(values)
            if cell is None:
                # The last count is of what lies above every bound.
                cell = self._cells[values] = _Cell([0] * (len(self.bounds) + 1))
            cell.counts[bisect_left(self.bounds, value)] += 1
            cell.total += value

    def lines(self) -> Iterator[str]:
        """The family's samples."""
        with self._lock:
            cells = sorted((values, list(cell.counts), cell.total) for values, cell in self._cells.items())
        for values, counts, total in cells:
            so_far = 0
            for bound, count in zip((*self.bounds, None), counts, strict=True):
                so_far += count
                upper = "+Inf" if bound is None else f"{bound:.6g}"
                yield f"{self.name}_bucket{_labelled((*self.labels, 'le'), (*values, upper))} {so_far}"
            yield f"{self.name}_sum{_labelled(self.labels, values)} {total:.9g}"
            yield f"{self.name}_count{_labelled(self.labels, values)} {so_far}"


def _labelled(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
