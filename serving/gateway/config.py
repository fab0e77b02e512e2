"""What the gateway is told from outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry

from sazon.schema import MODEL_NAME

Features = Mapping[str, float | int | None]


class FeatureReader(Protocol):
    """Where the online features of a product in a region come from."""

    def read(self, product: str, region: str) -> Features:
        """Feature values by name; None where nothing is known."""
        ...

    def read_context(self, product: str | None, region: str | None) -> list[float]:
        """What a model with a contextual signature reads; NaN where nothing is known."""
        ...


@dataclass(frozen=True)
class GatewayConfig:
    """Settings of one gateway.

    Attributes:
        model_grpc: `host:port` of the model server's gRPC.
        model_name: the model asked for.
        timeout_s: deadline of one inference.
        feature_reader: source of the answers' `context`; None for no context.
        registry: where the metrics go; None for a registry of the application's own.
    """

    model_grpc: str
    model_name: str = MODEL_NAME
    timeout_s: float = 5.0
    feature_reader: FeatureReader | None = None
    registry: CollectorRegistry | None = None
