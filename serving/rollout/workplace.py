"""What the steps of a rollout act on, and what they answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sazon.registry import Registry
from sazon.schema import MODEL_NAME
from sazon.settings import Settings
from serving.rollout.metrics_reader import GatewayReader, MetricsReader, PrometheusReader
from serving.rollout.server_control import ModelServers, PolledServers, ReloadedServers
from serving.traffic import Traffic


@dataclass(frozen=True)
class Workplace:
    """Everything that a rollout changes or asks.

    Attributes:
        settings: all of them.
        registry: whose aliases and log follow the rollout.
        servers: the model servers.
        reader: of the gateways' counters.
        tell: is called before each action with what is about to be done.
    """

    settings: Settings
    registry: Registry
    servers: ModelServers
    reader: MetricsReader
    tell: Callable[[str], None]

    @classmethod
    def of(cls, settings: Settings, registry: Registry, tell: Callable[[str], None]) -> "Workplace":
        """Reader and servers as the settings say."""
        chosen = settings.rollout
        reader: MetricsReader
        if chosen.prometheus_url:
            reader = PrometheusReader(chosen.prometheus_url)
        else:
            local = f"http://{settings.gateway.host}:{settings.gateway.port}/metrics"
            reader = GatewayReader(chosen.metrics_urls or (local,))
        return cls(settings, registry, _servers(settings), reader, tell)

    def route(self, traffic: Traffic) -> None:
        """Writes the traffic file, where it says something else."""
        path = self.settings.state.traffic
        if not path.exists() or Traffic.read(path) != traffic:
            self.tell(f"traffic: {describe(traffic)}")
            traffic.write(path)


@dataclass(frozen=True)
class Passed:
    """The step is done; `carried` is what the next one starts with."""

    message: str
    figures: dict[str, Any] = field(default_factory=dict)
    carried: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """The version has to go back."""

    reason: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """Not yet; `work` is what the next look starts with."""

    work: dict[str, Any]
    reason: str


Result = Passed | Failed | Waiting


def addresses(settings: Settings) -> tuple[str, ...]:
    """Where the model servers listen for gRPC."""
    return settings.rollout.model_servers or (f"{settings.serving.host}:{settings.serving.grpc_port}",)


def describe(traffic: Traffic) -> str:
    """For people."""
    parts = [f"version {traffic.stable} answers"]
    if traffic.canary_share:
        parts.append(f"version {traffic.canary} answers {traffic.canary_share:.0%}")
    if traffic.shadow_share:
        parts.append(f"version {traffic.canary} shadows {traffic.shadow_share:.0%}")
    return ", ".join(parts)


def _servers(settings: Settings) -> ModelServers:
    chosen = settings.rollout
    base_path = chosen.model_base_path or str(settings.state.served / MODEL_NAME)
    if chosen.model_config_file is not None:
        return PolledServers(addresses(settings), base_path, chosen.model_config_file)
    return ReloadedServers(addresses(settings), base_path)
