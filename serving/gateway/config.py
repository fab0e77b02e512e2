"""What the gateway is told from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sazon.schema import MODEL_NAME

if TYPE_CHECKING:  # its import decides whether metrics are shared between processes
    from prometheus_client import CollectorRegistry

Features = Mapping[str, float | int | None]


class FeatureReader(Protocol):
    """Where the online features of a product in a region come from."""

    def read(self, product: str, region: str) -> Features:
        """Feature values by name, each None where nothing is known; empty where there are no features."""
        ...

    def read_context(self, product: str | None, region: str | None) -> list[float] | None:
        """What a model with a contextual signature reads; NaN where nothing is known, None without features."""
        ...


@dataclass(frozen=True)
class GatewayConfig:
    """Settings of one gateway.

    Attributes:
        model_grpc: `host:port` of the model server's gRPC.
        model_name: the model asked for.
        timeout_s: longest time for one answer; clients may ask for less.
        max_in_flight: predictions and explanations that one process works on at once.
        max_queued: so many more wait in it for their turn; the rest is refused.
        feature_reader: source of the answers' `context`; None for no context.
        features: folder of the feature store, whose freshness the metrics show; None for none.
        traffic: file that says which version answers; None for always the latest.
        recent_texts: so many of the latest texts are kept in that file, redacted; 0 for none.
        recent_texts_file: where.
        inbox: queue of rows of feedback that clients send; None for a gateway that takes none.
        registry: where the metrics go; None for a registry of the application's own.
        multiprocess: directory of the metrics that several processes share; None for one process.
    """

    model_grpc: str
    model_name: str = MODEL_NAME
    timeout_s: float = 5.0
    max_in_flight: int = 16
    max_queued: int = 112
    feature_reader: FeatureReader | None = None
    features: Path | None = None
    traffic: Path | None = None
    recent_texts: int = 0
    recent_texts_file: Path | None = None
    inbox: Path | None = None
    registry: CollectorRegistry | None = None
    multiprocess: Path | None = None
