"""Model servers and gateways that are pods: found by their Services, told by ConfigMaps.

The kubelet of each node writes a changed ConfigMap into its pods, within a minute and a half.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sazon.errors import ClusterError, ServingError
from sazon.kubernetes_api import Cluster

MODEL_SERVER: Final = ("model-server", "grpc")
GATEWAY: Final = ("gateway", "http")
"""Names of a Service and of its port."""
MODEL_CONFIG: Final = ("model-config", "models.config")
TRAFFIC: Final = ("traffic", "traffic.json")
"""Names of a ConfigMap and of its key."""
_MANIFESTS: Final = "k8s/once"
_ATTEMPTS: Final = 10


@dataclass(frozen=True)
class ConfigMapDocument:
    """One key of a ConfigMap; the others stay as they are.

    A patch names the version of the ConfigMap that it was made from, so the server refuses it where another one came
    first; then it is made again.
    """

    cluster: Cluster
    name: str
    key: str

    def __str__(self) -> str:
        return f"ConfigMap {self.cluster.namespace}/{self.name}"

    def read(self) -> str | None:
        """See `Document`."""
        return _value(self._fetch(), self.key)

    def change(self, edit: Callable[[str | None], str]) -> None:
        """See `Document`."""
        for _ in range(_ATTEMPTS):
            found = self._fetch()
            before = _value(found, self.key)
            after = edit(before)
            if after == before:
                return
            try:
                self._patch(
                    {"data": {self.key: after}, "metadata": {"resourceVersion": found.metadata.resource_version}}
                )
                return
            except ClusterError as error:
                if error.status != 409:
                    raise
        raise ClusterError(f"{self} changes faster than it can be written: is another rollout running?")

    def rehearse(self) -> None:
        """Reads it, and writes it without effect."""
        self._fetch()
        self._patch({"data": {}}, dry_run="All")

    def _fetch(self) -> Any:
        core, namespace = self.cluster.core, self.cluster.namespace
        try:
            return self.cluster.call(core.read_namespaced_config_map, self.name, namespace)
        except ClusterError as error:
            if error.status != 404:
                raise
            raise ClusterError(f"{self} does not exist (make it once: kubectl create -k {_MANIFESTS})", 404) from None

    def _patch(self, body: dict[str, Any], **options: Any) -> None:
        core, namespace = self.cluster.core, self.cluster.namespace
        self.cluster.call(core.patch_namespaced_config_map, self.name, namespace, body, **options)


@dataclass(frozen=True)
class ReadyPods:
    """Where those pods of a Service listen that answer requests now."""

    cluster: Cluster
    service: str
    port: str

    def __call__(self) -> tuple[str, ...]:
        """`host:port` of each.

        Raises:
            ServingError: there is none, or the API cannot be asked.
        """
        found, namespace = self.find(), self.cluster.namespace
        if not found:
            problem = f"Service {namespace}/{self.service} has no ready pod with a port {self.port}"
            raise ServingError(f"{problem} (kubectl -n {namespace} get pods)")
        return found

    def find(self) -> tuple[str, ...]:
        """As a call, but there may be none.

        Raises:
            ClusterError: the API cannot be asked.
        """
        # As a custom resource: the client's own model refuses the slice of a Service without pods (endpoints: null).
        slices = self.cluster.call(
            self.cluster.objects.list_namespaced_custom_object,
            *("discovery.k8s.io", "v1", self.cluster.namespace, "endpointslices"),
            label_selector=f"kubernetes.io/service-name={self.service}",
        )
        found = {
            _address(endpoint["addresses"][0], port["port"])
            for part in slices["items"]
            for port in part.get("ports") or ()
            for endpoint in part.get("endpoints") or ()
            if port.get("name") == self.port and (endpoint.get("conditions") or {}).get("ready") is not False
        }
        return tuple(sorted(found))


def rehearse(cluster: Cluster) -> None:
    """Has the API server check, without a change, that this account may do what a rollout does.

    Raises:
        ClusterError: it may not, or a ConfigMap is not there.
    """
    for name, key in (MODEL_CONFIG, TRAFFIC):
        ConfigMapDocument(cluster, name, key).rehearse()
    ReadyPods(cluster, *MODEL_SERVER).find()


def _value(config_map: Any, key: str) -> str | None:
    value: str | None = (config_map.data or {}).get(key)
    return value


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
