"""Rollouts on a cluster: ConfigMaps patched through the Kubernetes API, written into pods by kubelets, late.

The API server and the kubelets are stand-ins; client, controller, model servers, gateway and visitors are real. Two
pods of the model server hear of a change at different times.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubelet import Kubelet
from kubernetes_api import KubernetesApi
from waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

tf = pytest.importorskip("tensorflow")

from benchmarks.rollout_workload import QUICK, FileRegistry, Visitors, export  # noqa: E402
from sazon.errors import ClusterError  # noqa: E402
from sazon.home import Home  # noqa: E402
from sazon.schema import MODEL_NAME  # noqa: E402
from sazon.settings import RolloutSettings, Settings  # noqa: E402
from serving.rollout import steps  # noqa: E402
from serving.rollout.cluster import GATEWAY, MODEL_CONFIG, MODEL_SERVER, TRAFFIC  # noqa: E402
from serving.rollout.controller import Controller  # noqa: E402
from serving.rollout.doctor import examine  # noqa: E402
from serving.rollout.documents import FileDocument  # noqa: E402
from serving.rollout.publishing import publish  # noqa: E402
from serving.rollout.server_control import PolledServers, VersionState  # noqa: E402
from serving.rollout.store import Outcome, Rollout, RolloutStore  # noqa: E402
from serving.rollout.workplace import Workplace, read_traffic  # noqa: E402
from serving.traffic import Traffic  # noqa: E402

K8S = Path(__file__).parents[2] / "k8s"
EASY = {**dict.fromkeys(("error_margin", "median_margin", "tail_margin", "drift_margin"), 0.9), "min_samples": 20}
DIES_AT = "traffic: version 1 answers, version 2 answers 50%"
SYNCS_S = (0.2, 1.5)
"""How often the kubelet of each model server's node looks."""


def rules_of(account: str) -> list[dict[str, Any]]:
    """As shipped."""
    roles = yaml.safe_load_all((K8S / "base" / "roles.yaml").read_text(encoding="utf-8"))
    return next(role["rules"] for role in roles if role["kind"] == "Role" and role["metadata"]["name"] == account)


def endpoint_slice(service: str, port_name: str, address: str) -> dict[str, Any]:
    host, port = address.rsplit(":", 1)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-{port}", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": port_name, "port": int(port)}],
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
    }


def serve_model(config_file: Path, port: int) -> None:
    """The body of a pod of the model server."""
    from serving.model_server.__main__ import main

    flags = {"model_config_file": config_file, "model_config_file_poll_wait_seconds": 0.3, "port": port}
    flags |= {"rest_api_port": 0, "file_system_poll_wait_seconds": 0.2, "max_num_load_retries": 0}
    main([*(f"--{name}={value}" for name, value in flags.items()), "--allow_version_labels_for_unavailable_models"])


def serve_gateway(model_grpc: str, traffic: Path, port: int) -> None:
    """The body of a pod of the gateway."""
    from serving.gateway.config import GatewayConfig
    from serving.gateway.server import run

    run(GatewayConfig(model_grpc, timeout_s=5.0, traffic=traffic), "127.0.0.1", port)


@dataclass
class Pods:
    """Two model servers and a gateway that serve version 1 as an overlay and `k8s/once` set them up."""

    home: Path
    models: Path
    api: KubernetesApi
    url: str = ""

    @property
    def registry(self) -> FileRegistry:
        return FileRegistry(self.home / "registry")

    def enter(self, number: int, kind: str) -> None:
        self.registry.folder.mkdir(parents=True, exist_ok=True)
        (self.registry.folder / str(number)).symlink_to(self.models / kind)

    def start(self, stack: contextlib.ExitStack, fork_server: ForkServerContext) -> "Pods":
        self.enter(1, "champion")
        self.registry.set_alias("champion", 1)
        publish(self.models / "champion", 1, Home(self.home).served)
        served = str(Home(self.home).served / MODEL_NAME)
        for name, key in (MODEL_CONFIG, TRAFFIC):
            text = (K8S / "once" / key).read_text(encoding="utf-8").replace(f"/models/{MODEL_NAME}", served)
            self.api.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {key: text}})
        first, second, third = (self.home.parent / f"pod-{number}" for number in range(3))
        mounts = [{MODEL_CONFIG[0]: first}, {MODEL_CONFIG[0]: second}, {TRAFFIC[0]: third}]
        for mount, sync_s in zip(mounts, (*SYNCS_S, SYNCS_S[0]), strict=True):
            stack.enter_context(Kubelet(self.api, mount, sync_s))
        ports = [free_port() for _ in mounts]
        for folder, port in ((first, ports[0]), (second, ports[1])):
            start(stack, fork_server, serve_model, folder / MODEL_CONFIG[1], port)
        start(stack, fork_server, serve_gateway, f"127.0.0.1:{ports[0]}", third / TRAFFIC[1], ports[2])
        for port in ports:
            wait_until(lambda port=port: is_open(port), 240.0)
        services = (MODEL_SERVER, MODEL_SERVER, GATEWAY)
        for service, port in zip(services, ports, strict=True):
            self.api.put(endpoint_slice(*service, f"127.0.0.1:{port}"))
        self.url = f"http://127.0.0.1:{ports[2]}"
        return self

    def document(self, name: str, key: str) -> str:
        return str(self.api.get("configmaps", name)["data"][key])


def start(
    stack: contextlib.ExitStack, fork_server: ForkServerContext, body: Callable[..., None], *given: object
) -> None:
    """A process until the stack is left."""
    process = fork_server.Process(target=body, args=given)
    process.start()
    stack.callback(process.join, 20)
    stack.callback(process.terminate)


@dataclass
class Operator:
    """Whoever runs `sazon rollout`: knows the cluster by its kubeconfig alone."""

    home: Path

    def place(self, tell=print, **chosen: Any) -> Workplace:
        quick = {**QUICK, "settle_s": 1.0, "load_timeout_s": 60.0, **chosen}
        settings = Settings(home=self.home, rollout=RolloutSettings(cluster=True, **quick))
        return Workplace.of(settings, FileRegistry(self.home / "registry"), tell)

    @property
    def store(self) -> RolloutStore:
        return RolloutStore(Home(self.home).rollouts)

    def roll_out(self, number: int, tell=print, **chosen: Any) -> Rollout:
        with self.store.control():
            controller = Controller(self.place(tell, **chosen), self.store)
            return controller.run(self.store.unfinished() or controller.begin(number, "visitor"))

    def findings(self) -> list[str]:
        return [finding.problem for finding in examine(self.place(), self.store)]


def die(home: Path, kubeconfig: str, number: int) -> None:
    """The body of a child: a controller that is killed between two calls to the API."""
    os.environ["KUBECONFIG"] = kubeconfig
    steps.verify_apart = lambda folder, champion: {}

    def tell(text: str) -> None:
        print(text, flush=True)
        if text.startswith(DIES_AT):
            os.kill(os.getpid(), signal.SIGKILL)

    Operator(home).roll_out(number, tell, **EASY)


@pytest.fixture(scope="module")
def fork_server():
    """All processes fork from one that has imported what they need."""
    context = multiprocessing.get_context("forkserver")
    preloaded = ["model_server.__main__", "gateway.server"]
    context.set_forkserver_preload(["benchmarks.rollout_workload", *(f"serving.{name}" for name in preloaded)])
    return context


@pytest.fixture(scope="module")
def pods(tmp_path_factory, fork_server):
    models, home = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("cluster") / "home"
    for kind in ("champion", "good", "permuted"):
        export(models / kind, kind)
    with KubernetesApi() as api, contextlib.ExitStack() as stack:
        yield Pods(home, models, api).start(stack, fork_server)


@pytest.fixture
def operator(pods, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "verify_apart", lambda folder, champion: {})
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    token = pods.api.account("rollout", rules_of("rollout"))
    monkeypatch.setenv("KUBECONFIG", str(pods.api.kubeconfig(tmp_path / "kubeconfig", token)))
    return Operator(pods.home)


def test_killed_in_the_middle_it_goes_on_and_promotes(pods, operator, fork_server):
    pods.enter(2, "good")
    exposed = []

    def tell(text: str) -> None:
        if text.startswith(DIES_AT):
            exposed.append(place.servers.states())

    place = operator.place()
    with Visitors(pods.url, count=2, pause_s=0.02) as visitors:
        child = fork_server.Process(target=die, args=(pods.home, os.environ["KUBECONFIG"], 2))
        child.start()
        child.join(400)
        assert child.exitcode == -signal.SIGKILL
        assert Traffic.parse(pods.document(*TRAFFIC), "").canary_share == 0
        ended = operator.roll_out(2, tell, **EASY)
    assert ended.outcome is Outcome.PROMOTED, ended.reason
    assert exposed == [dict.fromkeys((1, 2), VersionState("AVAILABLE"))], "nobody is sent where it is not loaded"
    assert not visitors.failed
    assert set(visitors.answered) == {"1", "2"}
    assert [read_traffic(document) for document in place.traffic] == [Traffic(stable=2)] * 2
    assert 'version_labels { key: "stable" value: 2 }' in " ".join(pods.document(*MODEL_CONFIG).split())
    assert operator.findings() == []


def test_a_version_that_says_something_else_goes_back(pods, operator):
    champion = pods.registry.with_alias("champion").number
    pods.enter(3, "permuted")
    with Visitors(pods.url, count=2, pause_s=0.02) as visitors:
        ended = operator.roll_out(3)
    assert ended.outcome is Outcome.ROLLED_BACK
    assert ended.reason.startswith("shadow 50%: ")
    assert not visitors.failed
    assert set(visitors.answered) == {str(champion)}
    assert Traffic.parse(pods.document(*TRAFFIC), "") == Traffic(stable=champion)
    assert not (Home(pods.home).served / MODEL_NAME / "3").exists()
    assert operator.findings() == []


def test_the_doctor_sees_what_somebody_changed_by_hand_and_puts_it_right(pods, operator):
    champion = pods.registry.with_alias("champion").number
    pods.api.change("configmaps", TRAFFIC[0], {"data": {TRAFFIC[1]: '{"stable": 9}'}})
    shipped = (K8S / "once" / MODEL_CONFIG[1]).read_text(encoding="utf-8")
    served = str(Home(pods.home).served / MODEL_NAME)
    pods.api.change(
        "configmaps", MODEL_CONFIG[0], {"data": {MODEL_CONFIG[1]: shipped.replace("/models/taste", served)}}
    )
    wait_until(lambda: len(operator.findings()) == 2)
    assert operator.findings() == [
        f"ConfigMap sazon/traffic says Traffic(stable=9, canary=None, canary_share=0.0, shadow_share=0.0), "
        f"want version {champion} alone",
        f"label stable leads to nothing, want version {champion}",
    ]
    for finding in examine(operator.place(), operator.store):
        finding.repair()
    wait_until(lambda: operator.findings() == [])


def test_what_the_cluster_would_refuse_later_it_refuses_at_once(pods, operator, tmp_path, monkeypatch):
    pods.enter(4, "good")
    readonly = [{**rule, "verbs": ["get", "list"]} for rule in rules_of("rollout")]
    token = pods.api.account("visitor", readonly)
    monkeypatch.setenv("KUBECONFIG", str(pods.api.kubeconfig(tmp_path / "readonly", token)))
    with pytest.raises(ClusterError, match="cannot patch"):
        operator.roll_out(4)
    assert operator.store.unfinished() is None


def test_a_pod_that_goes_away_while_it_is_asked_does_not_count(pods, operator):
    (alive, *_) = operator.place().servers.addresses()
    answers = iter([(alive, "127.0.0.1:9"), (alive,)])
    servers = PolledServers(lambda: next(answers), None, FileDocument(pods.home / "unused"))
    assert servers.states()[pods.registry.with_alias("champion").number].state == "AVAILABLE"


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
