"""What the steps of a rollout act on, and what they answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sazon.errors import DamagedTraffic
from sazon.kubernetes_api import Cluster
from sazon.registry import Registry
from sazon.schema import MODEL_NAME
from sazon.settings import Settings
from serving.rollout.cluster import GATEWAY, MODEL_CONFIG, MODEL_SERVER, TRAFFIC, ConfigMapDocument, ReadyPods, rehearse
from serving.rollout.documents import Document, FileDocument
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
        cluster: where servers and gateways are pods; None: where the settings say.
    """

    settings: Settings
    registry: Registry
    servers: ModelServers
    reader: MetricsReader
    tell: Callable[[str], None]
    cluster: Cluster | None = None

    @classmethod
    def of(cls, settings: Settings, registry: Registry, tell: Callable[[str], None]) -> "Workplace":
        """Reader and servers as the settings say."""
        cluster = connect(settings)
        return cls(settings, registry, _servers(settings, cluster), _reader(settings, cluster), tell, cluster)

    @property
    def traffic(self) -> tuple[Document, ...]:
        """Where it is written who answers."""
        return traffic_documents(self.settings, self.cluster)

    def route(self, traffic: Traffic) -> None:
        """Writes who answers, where something else is written, or something damaged."""
        stale = [document for document in self.traffic if not _says(document, traffic)]
        if stale:
            self.tell(f"traffic: {describe(traffic)}")
        for document in stale:
            document.change(lambda _: traffic.as_text())

    def rehearse(self) -> None:
        """Finds out early what a rollout would be refused later.

        Raises:
            ClusterError: the account lacks a right, or something is not there.
        """
        if self.cluster is not None:
            rehearse(self.cluster)


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


def connect(settings: Settings) -> Cluster | None:
    """The cluster that the settings name; None: none.

    Raises:
        ClusterError: there is no kubeconfig and no service account.
    """
    return Cluster.connect(settings.kubeflow.namespace, settings.rollout.context) if settings.rollout.cluster else None


def traffic_documents(settings: Settings, cluster: Cluster | None) -> tuple[Document, ...]:
    """Where it is written who answers: first what the gateways read, last the state directory, for the pipeline."""
    kept = FileDocument(settings.state.traffic)
    if cluster is not None:
        return ConfigMapDocument(cluster, *TRAFFIC), kept
    read = settings.gateway.traffic_file
    return (kept,) if read is None else (FileDocument(read), kept)


def read_traffic(document: Document) -> Traffic | None:
    """Who answers; None where no rollout has ever said so.

    Raises:
        ServingError: it is damaged, or cannot be reached.
    """
    text = document.read()
    found = Traffic() if text is None else Traffic.parse(text, document)
    return None if found == Traffic() else found


def describe(traffic: Traffic) -> str:
    """For people."""
    if traffic.stable is None:
        return "the model server's latest version answers"
    parts = [f"version {traffic.stable} answers"]
    if traffic.canary_share:
        parts.append(f"version {traffic.canary} answers {traffic.canary_share:.0%}")
    if traffic.shadow_share:
        parts.append(f"version {traffic.canary} shadows {traffic.shadow_share:.0%}")
    return ", ".join(parts)


def _says(document: Document, traffic: Traffic) -> bool:
    try:
        return (read_traffic(document) or Traffic()) == traffic
    except DamagedTraffic:
        return False


def _servers(settings: Settings, cluster: Cluster | None) -> ModelServers:
    chosen = settings.rollout
    if cluster is not None:
        config = ConfigMapDocument(cluster, *MODEL_CONFIG)
        return PolledServers(ReadyPods(cluster, *MODEL_SERVER), chosen.model_base_path, config)
    named = chosen.model_servers or (f"{settings.serving.host}:{settings.serving.grpc_port}",)
    base_path = chosen.model_base_path or str(settings.state.served / MODEL_NAME)
    if chosen.model_config_file is not None:
        return PolledServers(lambda: named, base_path, FileDocument(chosen.model_config_file))
    return ReloadedServers(lambda: named, base_path)


def _reader(settings: Settings, cluster: Cluster | None) -> MetricsReader:
    chosen = settings.rollout
    if chosen.prometheus_url:
        return PrometheusReader(chosen.prometheus_url)
    if cluster is not None:
        gateways = ReadyPods(cluster, *GATEWAY)
        return GatewayReader(lambda: [f"http://{address}/metrics" for address in gateways()])
    named = chosen.metrics_urls or (f"http://{settings.gateway.host}:{settings.gateway.port}/metrics",)
    return GatewayReader(lambda: named)
