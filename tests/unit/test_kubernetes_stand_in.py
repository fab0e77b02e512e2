"""The stand-in of the API server refuses what the server refuses, to the real client, and streams what happens."""

import urllib.error
import urllib.request

import pytest
from kubernetes import client, watch
from kubernetes_api import KubernetesApi

from sazon.errors import ClusterError
from sazon.kubernetes_api import Cluster

JOB = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainJob",
    "metadata": {"name": "taste-1", "labels": {"run": "a"}},
    "spec": {"runtimeRef": {"name": "sazon-nodes"}},
}
KIND = ("trainer.kubeflow.org", "v1alpha1", "sazon", "trainjobs")
POD = {"containers": [{"name": "node", "image": "sazon/pipeline:0.1.0"}]}


@pytest.fixture
def api():
    with KubernetesApi() as made:
        yield made


@pytest.fixture
def cluster(api, tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "kubeconfig")))
    return Cluster.connect("sazon")


def test_a_watch_goes_on_from_a_list_and_ends_in_time(api, cluster):
    api.put(JOB)
    listed = cluster.call(cluster.objects.list_namespaced_custom_object, *KIND)
    api.put({**JOB, "metadata": {"name": "taste-2"}})
    api.change("trainjobs", "taste-1", {"status": {"conditions": []}})
    api.remove("trainjobs", "taste-2")
    options = {"resource_version": listed["metadata"]["resourceVersion"], "timeout_seconds": 1}
    seen = watch.Watch().stream(cluster.objects.list_namespaced_custom_object, *KIND, **options)
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in seen] == [
        ("ADDED", "taste-2"),
        ("MODIFIED", "taste-1"),
        ("DELETED", "taste-2"),
    ]


def test_a_watch_from_before_a_compaction_is_gone(api, cluster):
    version = api.put(JOB)["metadata"]["resourceVersion"]
    api.change("trainjobs", "taste-1", {"status": {"conditions": []}})
    api.store.forget()
    with pytest.raises(client.ApiException, match="too old resource version"):
        list(
            watch.Watch().stream(
                cluster.objects.list_namespaced_custom_object, *KIND, resource_version=version, timeout_seconds=1
            )
        )


def test_a_status_is_the_controllers_business(api, cluster):
    made = cluster.call(cluster.objects.create_namespaced_custom_object, *KIND, {**JOB, "status": {"jobsStatus": []}})
    assert "status" not in made
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"metadata": {"name": "Taste 1"}}, 422),
        ({"metadata": {"name": "taste-1", "resourceVersion": "1"}}, 400),
        ({"metadata": {"name": "taste-1", "namespace": "elsewhere"}}, 400),
        ({"kind": "PyTorchJob"}, 400),
    ],
)
def test_a_wrong_body_is_refused(cluster, wrong, status):
    with pytest.raises(ClusterError) as found:
        cluster.call(cluster.objects.create_namespaced_custom_object, *KIND, {**JOB, **wrong})
    assert found.value.status == status


def test_a_pod_s_fields_are_checked_against_kubernetes_schemas(cluster):
    pod = {"metadata": {"name": "node-0"}, "spec": {**POD, "restartPolice": "Never"}}
    with pytest.raises(ClusterError, match="restartPolice") as found:
        cluster.call(cluster.core.create_namespaced_pod, "sazon", {"apiVersion": "v1", "kind": "Pod", **pod})
    assert found.value.status == 422


def test_a_patch_is_merged_and_a_new_spec_is_a_new_generation(api, cluster):
    api.put(JOB)
    for _ in range(2):  # the second changes nothing
        made = cluster.call(
            cluster.objects.patch_namespaced_custom_object, *KIND, "taste-1", {"spec": {"suspend": True}}
        )
        assert made["spec"] == {**JOB["spec"], "suspend": True}
        assert made["metadata"]["generation"] == 2


def test_only_built_in_resources_know_strategic_merges(api):
    api.put(JOB)
    headers = {"Authorization": "Bearer admin", "Content-Type": "application/strategic-merge-patch+json"}
    path = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/sazon/trainjobs/taste-1"
    request = urllib.request.Request(api.url + path, b"{}", headers, method="PATCH")
    with pytest.raises(urllib.error.HTTPError) as found:
        urllib.request.urlopen(request)
    assert found.value.code == 415


def test_a_whole_body_that_is_out_of_date_is_refused(api, cluster):
    old = api.put(JOB)
    api.change("trainjobs", "taste-1", {"spec": {"suspend": True}})
    with pytest.raises(ClusterError, match="the object has been modified") as found:
        cluster.call(cluster.objects.replace_namespaced_custom_object, *KIND, "taste-1", old)
    assert found.value.status == 409


def test_pods_are_selected_by_label_and_their_logs_cut(api, cluster):
    for name in ("node-0", "node-1"):
        api.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"node": name}}, "spec": POD})
    api.logs["node-1"] = "epoch 1\nepoch 2\nepoch 3\n"
    (pod,) = cluster.call(cluster.core.list_namespaced_pod, "sazon", label_selector="node=node-1").items
    assert (
        cluster.call(cluster.core.read_namespaced_pod_log, pod.metadata.name, "sazon", tail_lines=2)
        == "epoch 2\nepoch 3\n"
    )
