"""The TrainJob of a training on several nodes, and the checks before it: nothing of a cluster is here."""

import copy
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from models.training.nodes import main, node_index
from pipelines.nodes.checks import check_hardware
from pipelines.nodes.train_job import DIGEST, PORT, RUNTIME, make_train_job
from sazon.cluster import STATE_PATH
from sazon.errors import SettingsError, UserError
from sazon.settings import load_settings

SHIPPED = Path(__file__).parents[2] / "k8s" / "components" / "several-nodes" / "training-runtime.yaml"
STORE = "s3://models/trainings/0123"
SPOT = {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoExecute", "toleration_seconds": 30}
KUBEFLOW = {
    "gpus": 4,
    "node_selector": {"node.kubernetes.io/instance-type": "gpu-4"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}, SPOT],
    "env": {"AWS_ENDPOINT_URL": "http://minio:9000"},
    "secrets": [{"variable": "AWS_SECRET_ACCESS_KEY", "secret": "object-store", "key": "secret-key"}],
}


@pytest.fixture
def kubeflow():
    return load_settings(kubeflow=KUBEFLOW).kubeflow


@pytest.fixture
def runtime():
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def pod_of(manifest, runtime):
    """The Pod that Kubeflow Trainer makes of both, as its documentation says."""
    template = copy.deepcopy(runtime["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"])
    spec, trainer = template["spec"], manifest["spec"]["trainer"]
    container = spec["containers"][0]
    container |= {key: trainer[key] for key in ("image", "command", "args")}
    container["resources"] = trainer["resourcesPerNode"]
    container["env"] += trainer["env"]
    for patch in manifest["spec"]["runtimePatches"]:
        (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
        changes = copy.deepcopy(job["template"]["spec"]["template"]["spec"])
        spec["volumes"] += changes.pop("volumes", [])
        for one in changes.pop("containers", []):
            assert one.pop("name") == container["name"]
            container["volumeMounts"] += one.pop("volumeMounts")
        spec |= changes
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "node", **template["metadata"]}, "spec": spec}


@pytest.mark.parametrize("address", [STORE, f"file://{STATE_PATH}/trainings/0123", f"{STATE_PATH}/trainings/0123"])
@pytest.mark.parametrize("version", ["1.32", "1.34"])
def test_the_pods_follow_the_schema(address, version, kubeflow, runtime):
    pod = pod_of(make_train_job("taste-0123", address, 2, kubeflow), runtime)
    kubernetes_validate.validate(pod, version, strict=True)
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod["spec"]["volumes"]}
    assert (mounts.get("state") == STATE_PATH) is (address != STORE)


def test_the_runtime_is_the_one_that_is_named(kubeflow, runtime):
    manifest = make_train_job("taste-0123", STORE, 2, kubeflow)
    assert manifest["spec"]["runtimeRef"]["name"] == runtime["metadata"]["name"] == RUNTIME
    assert manifest["spec"]["runtimeRef"]["kind"] == runtime["kind"]
    assert manifest["apiVersion"] == runtime["apiVersion"]
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert job["name"] == container["name"] == "node"
    assert container["ports"][0]["containerPort"] == PORT
    assert job["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}


def test_gpus_spot_nodes_and_secrets(kubeflow):
    spec = make_train_job("taste-0123", STORE, 3, kubeflow)["spec"]
    assert spec["trainer"]["numNodes"] == 3
    assert spec["trainer"]["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == "4"
    assert spec["trainer"]["image"] == kubeflow.image
    names = [f"taste-0123-node-0-{number}.taste-0123:{PORT}" for number in range(3)]
    assert spec["trainer"]["args"] == [STORE, *names]
    (job,) = spec["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    placed = job["template"]["spec"]["template"]["spec"]
    assert placed["nodeSelector"] == KUBEFLOW["node_selector"]
    assert placed["tolerations"][1] == {
        "key": "spot", "operator": "Equal", "value": "true", "effect": "NoExecute", "tolerationSeconds": 30,
    }  # fmt: skip
    secret = {"name": "object-store", "key": "secret-key"}
    assert {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": secret}} in spec["trainer"]["env"]


def test_nodes_without_gpus_run_the_small_image(kubeflow):
    bare = kubeflow.model_copy(update={"gpus": 0})
    trainer = make_train_job("taste-0123", STORE, 2, bare)["spec"]["trainer"]
    assert trainer["image"] == bare.cpu_image
    assert list(trainer["resourcesPerNode"]["limits"]) == ["memory"]
    assert make_train_job("taste-0123", STORE, 2, bare)["spec"]["runtimePatches"] == []  # nor do they run among GPUs


def test_the_digest_says_whether_two_are_the_same(kubeflow):
    def digest(nodes):
        return make_train_job("taste-0123", STORE, nodes, kubeflow)["metadata"]["annotations"][DIGEST]

    assert digest(2) == digest(2) != digest(3)


def test_a_folder_that_pods_do_not_share_is_refused(kubeflow):
    with pytest.raises(SettingsError, match="the nodes do not share /home/me/trainings/0123"):
        make_train_job("taste-0123", "/home/me/trainings/0123", 2, kubeflow)


@pytest.mark.parametrize(
    ("train", "gpus", "message"),
    [
        ({"devices": 1}, 4, r"train.devices: 1, but a pod gets 4 GPU\(s\).*set train.devices to 4, or to 0"),
        ({"devices": 2}, 0, "set train.devices to 1, or to 0"),
        ({"nodes": 2, "backend": "jax"}, 1, "train.nodes: 2 needs train.backend tensorflow, not jax"),
        ({"devices": 0, "accumulate": 2}, 4, "kubeflow.gpus: 4 goes with train.accumulate 1 only"),
    ],
)
def test_gpus_of_pod_and_settings_agree(train, gpus, message):
    with pytest.raises(SettingsError, match=message):
        check_hardware(load_settings(train=train, kubeflow={"gpus": gpus}))


@pytest.mark.parametrize(("devices", "gpus"), [(1, 1), (1, 0), (0, 0), (0, 4), (4, 4)])
def test_gpus_that_agree_pass(devices, gpus):
    check_hardware(load_settings(train={"devices": devices, "nodes": 2}, kubeflow={"gpus": gpus}))


@pytest.mark.parametrize("index", ["", "2", "x"])
def test_a_node_wants_to_know_its_number(index, monkeypatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", index)
    with pytest.raises(UserError, match=r"JOB_COMPLETION_INDEX is .*, want 0 to 1"):
        main(STORE, ["one:1", "two:1"])


def test_the_number_is_the_job_controllers(monkeypatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert node_index(2) == 1
