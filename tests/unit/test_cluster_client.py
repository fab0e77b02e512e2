"""The client of the Kubernetes API against a stand-in that checks the calls: what passes, what is refused, in words."""

import pytest
from kubernetes_api import KubernetesApi

from sazon import kubernetes_api
from sazon.errors import ClusterError
from sazon.kubernetes_api import Cluster

TRAFFIC = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "traffic"}, "data": {"traffic.json": "{}"}}


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setattr(kubernetes_api, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with KubernetesApi() as made:
        made.put(TRAFFIC)
        yield made


@pytest.fixture
def connect(api, tmp_path, monkeypatch):
    def connect_as(token: str = "admin") -> Cluster:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "kubeconfig", token)))
        return Cluster.connect("sazon")

    return connect_as


def read(cluster: Cluster):
    return cluster.call(cluster.core.read_namespaced_config_map, "traffic", "sazon")


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_that_is_overloaded_or_broken_is_asked_again(api, connect, code):
    api.fail(code, times=4)
    assert read(connect()).data == TRAFFIC["data"]


def test_it_gives_up_after_five_attempts(api, connect):
    api.fail(500, times=5)
    with pytest.raises(ClusterError, match=r"an error on the server.*\(500\)"):
        read(connect())


def test_a_server_that_is_away_is_one_line(api, connect):
    cluster = connect()
    api.__exit__()
    with pytest.raises(ClusterError, match=rf"^the Kubernetes API at {api.url} cannot be reached: .*refused$") as found:
        read(cluster)
    assert found.value.status is None
    assert "\n" not in str(found.value)


def test_a_connection_that_the_server_closed_is_opened_again(api, connect):
    cluster = connect()
    read(cluster)
    port = int(api.url.rsplit(":", 1)[1])
    api.__exit__()
    with KubernetesApi(port) as again:
        again.put(TRAFFIC)
        assert read(cluster).data == TRAFFIC["data"]


def test_what_it_may_not_do_is_said_with_the_account_the_verb_and_the_remedy(api, connect):
    token = api.account("rollout", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
    with pytest.raises(ClusterError, match=r"serviceaccount:sazon:rollout.* cannot get .*want a Role") as found:
        read(connect(token))
    assert found.value.status == 403


def test_an_expired_token_is_told(connect):
    with pytest.raises(ClusterError, match=r"credentials are not accepted.*\(401\)"):
        read(connect("expired"))


@pytest.mark.parametrize(
    ("content", "context", "said"),
    [
        (None, None, "No configuration found.*set KUBECONFIG"),
        ("a: b: c", None, "mapping values are not allowed"),
        ("", None, "kubeconfig cannot be used"),
        ("good", "elsewhere", "^context elsewhere of the kubeconfig cannot be used"),
    ],
)
def test_a_missing_or_wrong_kubeconfig_is_one_line(api, tmp_path, monkeypatch, content, context, said):
    path = tmp_path / "kubeconfig"
    if content == "good":
        api.kubeconfig(path)
    elif content is not None:
        path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(ClusterError, match=said) as found:
        Cluster.connect("sazon", context)
    assert "\n" not in str(found.value)


def test_in_a_pod_it_is_the_service_account(monkeypatch, tmp_path):
    from kubernetes.config import incluster_config

    for name, content in (("TOKEN", "token-of-a-pod"), ("CERT", "certificate")):
        (tmp_path / name).write_text(content)
        monkeypatch.setattr(incluster_config, f"SERVICE_{name}_FILENAME", str(tmp_path / name))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no such file"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    cluster = Cluster.connect("sazon")
    assert cluster.core.api_client.configuration.host == "https://10.96.0.1:443"
    assert cluster.core.api_client.configuration.api_key["authorization"] == "bearer token-of-a-pod"
