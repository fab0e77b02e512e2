"""What a rollout asks of the Kubernetes API, against a stand-in that refuses what the server refuses."""

from pathlib import Path

import pytest
import yaml
from kubernetes_api import KubernetesApi

from sazon import kubernetes_api
from sazon.errors import ClusterError, ServingError, SettingsError
from sazon.kubernetes_api import Cluster
from sazon.settings import load_settings
from serving.rollout.cluster import MODEL_CONFIG, MODEL_SERVER, TRAFFIC, ConfigMapDocument, ReadyPods, rehearse
from serving.rollout.server_control import PolledServers

K8S = Path(__file__).parents[2] / "k8s"
SHIPPED = (K8S / "once" / "models.config").read_text(encoding="utf-8")
ROLES = list(yaml.safe_load_all((K8S / "base" / "roles.yaml").read_text(encoding="utf-8")))
RULES = next(role["rules"] for role in ROLES if role["kind"] == "Role" and role["metadata"]["name"] == "rollout")


def config_map(name: str, data: dict[str, str]):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setattr(kubernetes_api, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with KubernetesApi() as made:
        made.put(config_map(MODEL_CONFIG[0], {MODEL_CONFIG[1]: SHIPPED}))
        made.put(config_map(TRAFFIC[0], {TRAFFIC[1]: "{}", "note": "from another team"}))
        yield made


@pytest.fixture
def connect(api, tmp_path, monkeypatch):
    def connect_as(rules=RULES) -> Cluster:
        token = api.account("rollout", rules)
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "kubeconfig", token)))
        return Cluster.connect("sazon")

    return connect_as


def test_a_change_that_came_in_between_is_not_lost(api, connect):
    document = ConfigMapDocument(connect(), *TRAFFIC)
    seen = []

    def edit(text: str | None) -> str:
        if not seen:
            api.change("configmaps", TRAFFIC[0], {"data": {TRAFFIC[1]: "theirs", "note": "another"}})
        seen.append(text)
        return f"{text} and ours"

    document.change(edit)
    assert seen == ["{}", "theirs"]
    assert api.get("configmaps", TRAFFIC[0])["data"] == {TRAFFIC[1]: "theirs and ours", "note": "another"}
    assert [request.verb for request in api.requests] == ["get", "patch"] * 2


def test_a_change_whose_answer_was_lost_is_made_once(api, connect):
    document, changes = ConfigMapDocument(connect(), *TRAFFIC), len(api.store.events)

    def edit(text: str | None) -> str:
        if text == "{}":
            api.fail(500, after_acting=True)
            return "ours"
        return text or ""

    document.change(edit)
    assert document.read() == "ours"
    assert len(api.store.events) == changes + 1


def test_who_never_gets_a_turn_says_so(api, connect):
    def edit(text: str | None) -> str:
        api.change("configmaps", TRAFFIC[0], {"data": {"note": str(len(api.requests))}})
        return "ours"

    with pytest.raises(ClusterError, match="ConfigMap sazon/traffic changes faster than it can be written"):
        ConfigMapDocument(connect(), *TRAFFIC).change(edit)


def test_what_says_so_already_is_not_written(api, connect):
    ConfigMapDocument(connect(), *TRAFFIC).change(lambda text: text or "")
    assert [request.verb for request in api.requests] == ["get"]


def test_a_missing_configmap_is_told_with_the_command_that_makes_it(api, connect):
    api.remove("configmaps", "traffic")
    with pytest.raises(ClusterError, match=r"^ConfigMap sazon/traffic does not exist .*kubectl create -k k8s/once"):
        ConfigMapDocument(connect(), *TRAFFIC).read()


def test_the_shipped_role_is_enough_and_a_rehearsal_changes_nothing(api, connect):
    before = len(api.store.events)
    rehearse(connect())
    assert len(api.store.events) == before
    assert {request.user for request in api.requests} == {"system:serviceaccount:sazon:rollout"}
    assert {(request.verb, request.plural) for request in api.requests} == {
        ("get", "configmaps"),
        ("patch", "configmaps"),
        ("list", "endpointslices"),
    }


@pytest.mark.parametrize(
    ("verb", "plural"), [("get", "configmaps"), ("patch", "configmaps"), ("list", "endpointslices")]
)
def test_a_right_that_is_missing_shows_before_anything_starts(connect, verb, plural):
    rules = [
        {**rule, "verbs": [one for one in rule["verbs"] if (one, rule["resources"]) != (verb, [plural])]}
        for rule in RULES
    ]
    with pytest.raises(ClusterError, match=f'serviceaccount:sazon:rollout" cannot {verb} resource "{plural}"') as found:
        rehearse(connect(rules))
    assert "\n" not in str(found.value)


def endpoint_slice(name, service, port, *hosts, kind="IPv4"):
    """`hosts`: an address, and its conditions."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": kind,
        "ports": [{"name": "rest", "port": 1}, {"name": "grpc", "port": port}],
        "endpoints": [{"addresses": [host], "conditions": conditions} for host, conditions in hosts] or None,
    }


def test_pods_that_answer_are_found_and_no_others(api, connect):
    ready, starting = {"ready": True}, {"ready": False}
    api.put(endpoint_slice("a", "model-server", 8500, ("10.0.0.1", ready), ("10.0.0.2", starting), ("10.0.0.3", {})))
    api.put(endpoint_slice("b", "model-server", 8500, ("fd00::1", ready), kind="IPv6"))
    api.put(endpoint_slice("c", "gateway", 8080, ("10.0.0.9", ready)))
    assert ReadyPods(connect(), *MODEL_SERVER)() == ("10.0.0.1:8500", "10.0.0.3:8500", "[fd00::1]:8500")


def test_a_service_without_pods_is_told(api, connect):
    api.put(endpoint_slice("a", "model-server", 8500))
    with pytest.raises(ServingError, match=r"^Service sazon/model-server has no ready pod with a port grpc .*get pods"):
        ReadyPods(connect(), *MODEL_SERVER)()


def test_versions_and_labels_are_written_beside_what_the_file_says_otherwise(api, connect):
    other = 'config { name: "other" base_path: "/models/other" model_platform: "tensorflow" }'
    api.change("configmaps", MODEL_CONFIG[0], {"data": {MODEL_CONFIG[1]: SHIPPED.replace("{", "{\n  " + other, 1)}})
    document = ConfigMapDocument(connect(), *MODEL_CONFIG)
    PolledServers(tuple, None, document).assign([7, 6], {"stable": 6})
    text = " ".join((document.read() or "").split())
    assert '"other"' in text
    assert 'name: "taste" base_path: "/models/taste"' in text
    assert "specific { versions: 6 versions: 7 }" in text
    assert 'version_labels { key: "stable" value: 6 }' in text
    assert "latest" not in text


@pytest.mark.parametrize(("text", "said"), [("model_config_list {", "is damaged"), ("", "names no base_path of taste")])
def test_a_model_config_that_cannot_be_kept_is_told(api, connect, text, said):
    api.change("configmaps", MODEL_CONFIG[0], {"data": {MODEL_CONFIG[1]: text}})
    document = ConfigMapDocument(connect(), *MODEL_CONFIG)
    with pytest.raises(ServingError, match=rf"^ConfigMap sazon/model-config {said}"):
        PolledServers(tuple, None, document).assign([1], {})


def test_a_rollout_waits_as_long_as_a_kubelet_takes_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("SAZON_ROLLOUT__CLUSTER", "true")
    assert load_settings().rollout.settle_s > 90
    assert load_settings().rollout.load_timeout_s > 300
    assert load_settings(rollout={"settle_s": 1.0}).rollout.settle_s == 1.0
    monkeypatch.setenv("SAZON_ROLLOUT__CLUSTER", "false")
    assert load_settings().rollout.settle_s < 10


def test_addresses_beside_a_cluster_are_refused():
    with pytest.raises(SettingsError, match="with cluster, pods are found by its API"):
        load_settings(rollout={"cluster": True, "model_servers": ["taste-0:8500"]})
