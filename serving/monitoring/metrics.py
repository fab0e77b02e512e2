"""Names of Sazón's own serving metrics, defined once; dashboards, alerts and the rollout import them.

A call is one question to one version of the model. Its `role` says why that version was asked: as the `stable` one, as
the `canary`, or as the `shadow` of another answer, unseen by the caller. Its `outcome` is `ok` or what went wrong:
a gRPC status in lower case (`internal`, `deadline_exceeded`, …) or `bad_answer`.
"""

from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

GATEWAY_REQUESTS: Final = "sazon_gateway_requests_total"
"""HTTP requests by `route`, `method`, `status`, `model_version`."""
GATEWAY_REQUEST_DURATION: Final = "sazon_gateway_request_duration_seconds"
"""Histogram of HTTP requests by `route`, `model_version`."""
GATEWAY_REFUSED: Final = "sazon_gateway_refused_total"
"""Requests refused because too many were in flight."""
GATEWAY_IN_FLIGHT: Final = "sazon_gateway_in_flight"
"""Requests that are being answered."""
GATEWAY_CALLS: Final = "sazon_gateway_calls_total"
"""Calls by `role`, `model_version`, `outcome`."""
GATEWAY_INFERENCE_DURATION: Final = "sazon_gateway_inference_duration_seconds"
"""Histogram of calls by `role`, `model_version`, `outcome`."""
GATEWAY_PREDICTIONS: Final = "sazon_gateway_predictions_total"
"""Texts by `role`, `model_version`, `sentiment` (as the model names it, in English)."""
GATEWAY_SHADOW_AGREEMENT: Final = "sazon_gateway_shadow_agreement_total"
"""Shadowed texts by `model_version` (the shadow's), `output` (`sentiment`, `tastes`), `agrees` (`true`, `false`)."""
GATEWAY_SHADOW_DROPPED: Final = "sazon_gateway_shadow_dropped_total"
"""Shadow calls that were not made because too many were waiting."""
FEATURES_NEWEST: Final = "sazon_features_newest_timestamp_seconds"
"""Event of the newest online value by `view`, in Unix seconds; its age is `time()` less this."""
FEATURES_MATERIALISED: Final = "sazon_features_materialised_timestamp_seconds"
"""When a `view` was last brought up to date, in Unix seconds."""

SHADOW: Final = "shadow"
"""Value of `role` beside `serving.traffic.STABLE` and `CANARY`."""
OK: Final = "ok"
"""Value of `outcome` for a call that was answered well."""
BAD_ANSWER: Final = "bad_answer"
"""Value of `outcome` for an answer in another signature."""
NO_VERSION: Final = "none"
"""Value of `model_version` for a request that no model answered, and for a failed call to the latest version."""

_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Bounds a factor of 1.5 apart, 1 ms to 11 s: a version half as fast as another is always a bucket apart.
_CALL_BUCKETS_S: Final = tuple(round(0.001 * 1.5**power, 6) for power in range(24))


class GatewayMetrics:
    """The gateway's metrics in one registry.

    Args:
        registry: where they are kept.
        multiprocess: directory that the workers of one gateway share; None for a single process.
    """

    def __init__(self, registry: CollectorRegistry, multiprocess: Path | None = None) -> None:
        self._registry, self._multiprocess = registry, multiprocess
        self._collectors: list[Collector] = []
        call = ("role", "model_version", "outcome")
        self.requests = Counter(
            GATEWAY_REQUESTS, "Requests answered.", ("route", "method", "status", "model_version"), registry=registry
        )
        self.request_duration = Histogram(
            GATEWAY_REQUEST_DURATION,
            "Time from the request to its answer.",
            ("route", "model_version"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.refused = Counter(GATEWAY_REFUSED, "Requests refused for overload.", registry=registry)
        self.in_flight = Gauge(
            GATEWAY_IN_FLIGHT, "Requests being answered.", registry=registry, multiprocess_mode="livesum"
        )
        self.calls = Counter(GATEWAY_CALLS, "Questions to a version of the model.", call, registry=registry)
        self.inference_duration = Histogram(
            GATEWAY_INFERENCE_DURATION,
            "Time that the model server took, network included.",
            call,
            buckets=_CALL_BUCKETS_S,
            registry=registry,
        )
        self.predictions = Counter(
            GATEWAY_PREDICTIONS, "Texts predicted.", ("role", "model_version", "sentiment"), registry=registry
        )
        self.shadow_agreement = Counter(
            GATEWAY_SHADOW_AGREEMENT,
            "Shadowed texts, by whether the shadow says what the caller was told.",
            ("model_version", "output", "agrees"),
            registry=registry,
        )
        self.shadow_dropped = Counter(GATEWAY_SHADOW_DROPPED, "Shadow calls not made for overload.", registry=registry)

    def add(self, collector: Collector) -> None:
        """Shows what it collects too; it must say the same in every worker."""
        self._registry.register(collector)
        self._collectors.append(collector)

    def observe_call(self, role: str, version: str, outcome: str, seconds: float, trace_id: str) -> None:
        """Counts one call; the trace that took this long becomes the exemplar of its bucket."""
        self.calls.labels(role, version, outcome).inc()
        self.inference_duration.labels(role, version, outcome).observe(seconds, {"trace_id": trace_id})

    def render(self, accept: str) -> tuple[bytes, str]:
        """All workers' metrics, as OpenMetrics (with exemplars) where the header `accept` asks for it.

        Returns:
            The body and its content type.
        """
        registry = self._registry
        if self._multiprocess is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(self._multiprocess))  # type: ignore[no-untyped-call]
            for collector in self._collectors:
                registry.register(collector)
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type
