"""The server's own measurements, named and bucketed as TensorFlow Serving's."""

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from serving.model_server.statuses import Code

EntryPoint = Literal["REST", "GRPC"]

PREFIX: Final = ":tensorflow:serving:"
BUCKETS_US: Final = tuple(10 * 1.8**power for power in range(33))

_API: Final = "Predict"


@dataclass
class _Histogram:
    """Latencies in µs; the last count is of those above every bucket."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_US) + 1))
    total: float = 0.0

    def observe(self, value_us: float) -> None:
        self.counts[bisect_left(BUCKETS_US, value_us)] += 1
        self.total += value_us


class Telemetry:
    """Counts requests and latencies of one model; safe to use from several threads."""

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name
        self._lock = threading.Lock()
        self._requests: dict[Code, int] = defaultdict(int)
        self._request_latency: dict[EntryPoint, _Histogram] = defaultdict(_Histogram)
        self._runtime_latency = _Histogram()

    def count_request(self, model_name: str, code: Code) -> None:
        """Counts a finished predict request; other models' names, which clients invent, are left out."""
        if model_name == self._model_name:
            with self._lock:
                self._requests[code] += 1

    def observe_request(self, entry_point: EntryPoint, seconds: float) -> None:
        """Adds the latency of a successful predict request, from its last byte in to its answer."""
        with self._lock:
            self._request_latency[entry_point].observe(seconds * 1e6)

    def observe_runtime(self, seconds: float) -> None:
        """Adds the time that the model itself took."""
        with self._lock:
            self._runtime_latency.observe(seconds * 1e6)

    def render(self) -> str:
        """The Prometheus text format."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"# TYPE {PREFIX}request_count counter"
        for code, count in sorted(self._requests.items()):
            yield f"{PREFIX}request_count{_labels(model_name=self._model_name, status=code.name)} {count}"
        yield f"# TYPE {PREFIX}request_latency histogram"
        for entry_point, histogram in sorted(self._request_latency.items()):
            labels = {"model_name": self._model_name, "API": _API, "entrypoint": entry_point}
            yield from _histogram_lines("request_latency", histogram, labels)
        yield f"# TYPE {PREFIX}runtime_latency histogram"
        labels = {"model_name": self._model_name, "API": _API, "runtime": "TF1"}
        yield from _histogram_lines("runtime_latency", self._runtime_latency, labels)


def _histogram_lines(name: str, histogram: _Histogram, labels: Mapping[str, str]) -> Iterator[str]:
    so_far = 0
    for bound, count in zip((*BUCKETS_US, None), histogram.counts, strict=True):
        so_far += count
        upper = "+Inf" if bound is None else f"{bound:.6g}"
        yield f"{PREFIX}{name}_bucket{_labels(**labels, le=upper)} {so_far}"
    yield f"{PREFIX}{name}_sum{_labels(**labels)} {histogram.total:.9g}"
    yield f"{PREFIX}{name}_count{_labels(**labels)} {so_far}"


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
