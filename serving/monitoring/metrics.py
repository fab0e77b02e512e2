"""Names of Sazón's own serving metrics, defined once; dashboards and alerts import them."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

GATEWAY_REQUESTS: Final = "sazon_gateway_requests_total"
GATEWAY_REQUEST_DURATION: Final = "sazon_gateway_request_duration_seconds"
GATEWAY_INFERENCE_DURATION: Final = "sazon_gateway_inference_duration_seconds"

NO_VERSION: Final = "none"
"""Value of `model_version` for a request that no model answered."""

_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GatewayMetrics:
    """The gateway's metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Counter(
            GATEWAY_REQUESTS,
            "Requests answered.",
            ("route", "method", "status", "model_version"),
            registry=registry,
        )
        self.request_duration = Histogram(
            GATEWAY_REQUEST_DURATION,
            "Time from the request to its answer.",
            ("route", "model_version"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.inference_duration = Histogram(
            GATEWAY_INFERENCE_DURATION,
            "Time that the model server took, network included; successes only.",
            ("model_version",),
            buckets=_BUCKETS_S,
            registry=registry,
        )
