"""Reads the gateways' counters: from a Prometheus server, or from each gateway itself."""

import json
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from prometheus_client.parser import text_string_to_metric_families

from sazon.errors import ServingError
from serving.rollout.figures import COUNTED, Reading, Series

_TIMEOUT_S: Final = 5.0


class MetricsReader(Protocol):
    """Where the counters come from."""

    def read(self) -> Reading:
        """The counters as they stand, by gateway.

        Raises:
            ServingError: none could be read.
        """
        ...


class GatewayReader:
    """Reads `/metrics` of every gateway; one that is away is left out, unless all are."""

    def __init__(self, urls: Callable[[], Sequence[str]]) -> None:
        self._urls = urls

    def read(self) -> Reading:
        """See `MetricsReader`."""
        found: dict[str, Mapping[Series, float]] = {}
        problem = "no gateway is named in rollout.metrics_urls"
        for url in self._urls():
            try:
                found[url] = _sum_series(_samples(_get(url).decode()))
            except (OSError, ValueError) as error:
                problem = f"{url}: {error}"
        if not found:
            raise ServingError(f"metrics cannot be read: {problem}")
        return found


class PrometheusReader:
    """Asks a Prometheus server for the raw counters: its `increase` would guess between scrapes."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def read(self) -> Reading:
        """See `MetricsReader`."""
        query = urllib.parse.urlencode({"query": f'{{__name__=~"{"|".join(COUNTED)}"}}'})
        try:
            answer = json.loads(_get(f"{self._url}/api/v1/query?{query}"))
            vector: list[dict[str, Any]] = answer["data"]["result"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ServingError(f"metrics cannot be read: {self._url}: {error}") from None
        by_instance: dict[str, list[tuple[str, Mapping[str, str], float]]] = defaultdict(list)
        for item in vector:
            labels = item["metric"]
            sample = (labels["__name__"], labels, float(item["value"][1]))
            by_instance[labels.get("instance", self._url)].append(sample)
        if not by_instance:
            raise ServingError(f"metrics cannot be read: {self._url} scrapes no gateway")
        return {instance: _sum_series(iter(samples)) for instance, samples in by_instance.items()}


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
        body: bytes = response.read()
    return body


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def _sum_series(samples: Iterator[tuple[str, Mapping[str, str], float]]) -> dict[Series, float]:
    sums: dict[Series, float] = defaultdict(float)
    for name, labels, value in samples:
        series = Series.of(name, labels)
        if series is not None:
            sums[series] += value
    return dict(sums)
