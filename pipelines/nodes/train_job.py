"""A training on several nodes as a TrainJob of Kubeflow Trainer (trainer.kubeflow.org/v1alpha1, from 2.2 on).

Written by the published types. What is the same for all trainings is in the TrainingRuntime `sazon-nodes`
(`k8s/components/several-nodes`); what a training decides is here.
"""

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from models.training.store import is_remote
from sazon.cluster import STATE_PATH, KubeflowSettings, Toleration
from sazon.errors import SettingsError

GROUP: Final = "trainer.kubeflow.org"
VERSION: Final = "v1alpha1"
PLURAL: Final = "trainjobs"
RUNTIME: Final = "sazon-nodes"
PORT: Final = 2222  # where nodes listen for each other
DIGEST: Final = "sazon.app/digest"
_NODE: Final = "node"  # the runtime's name of the job and of its container
_LABELS: Final = {"app.kubernetes.io/name": "trainer", "app.kubernetes.io/part-of": "sazon"}


def make_train_job(name: str, address: str, nodes: int, kubeflow: KubeflowSettings) -> dict[str, Any]:
    """The TrainJob.

    Args:
        name: of the TrainJob; the nodes' host names follow from it.
        address: of the training in the store.
        nodes: how many.
        kubeflow: image, GPUs, resources, where pods may run.

    Raises:
        SettingsError: the store is on a file system that the pods do not share.
    """
    patch = pod_placement(kubeflow)
    if _on_disk(address):
        patch |= _state_volume(kubeflow.state_claim)
    hosts = [f"{name}-{_NODE}-0-{number}.{name}:{PORT}" for number in range(nodes)]
    spec = {
        "runtimeRef": {"apiGroup": GROUP, "kind": "TrainingRuntime", "name": RUNTIME},
        "trainer": {
            "image": kubeflow.image if kubeflow.gpus else kubeflow.cpu_image,
            "command": ["python", "-m", "models.training.nodes"],
            "args": [address, *hosts],
            "env": _environment(kubeflow),
            "numNodes": nodes,
            "resourcesPerNode": pod_resources(kubeflow),
        },
        "runtimePatches": [{"manager": "sazon", "trainingRuntimeSpec": {"template": _of_pods(patch)}}] if patch else [],
    }
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
    metadata = {
        "name": name,
        "namespace": kubeflow.namespace,
        "labels": _LABELS,
        "annotations": {DIGEST: digest},
    }
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "TrainJob", "metadata": metadata, "spec": spec}


def _of_pods(patch: dict[str, Any]) -> dict[str, Any]:
    template = {"spec": {"template": {"spec": patch}}}
    return {"spec": {"replicatedJobs": [{"name": _NODE, "template": template}]}}


def pod_placement(kubeflow: KubeflowSettings) -> dict[str, Any]:
    """Fields of a pod that trains: where it may run, which is said of GPUs only."""
    if not kubeflow.gpus:
        return {}
    placed = {
        "nodeSelector": kubeflow.node_selector,
        "tolerations": [_toleration(one) for one in kubeflow.tolerations],
    }
    return {name: value for name, value in placed.items() if value}


def _toleration(toleration: Toleration) -> dict[str, Any]:
    values = toleration.model_dump(exclude_none=True)
    seconds = values.pop("toleration_seconds", None)
    return values if seconds is None else {**values, "tolerationSeconds": seconds}


def _environment(kubeflow: KubeflowSettings) -> list[dict[str, Any]]:
    secrets = [
        {"name": one.variable, "valueFrom": {"secretKeyRef": {"name": one.secret, "key": one.key}}}
        for one in kubeflow.secrets
    ]
    return [*({"name": key, "value": value} for key, value in sorted(kubeflow.env.items())), *secrets]


def pod_resources(kubeflow: KubeflowSettings) -> dict[str, Any]:
    """Of the container that trains."""
    own = kubeflow.trainer
    limits = {"memory": own.memory} | ({kubeflow.gpu: str(kubeflow.gpus)} if kubeflow.gpus else {})
    return {"requests": {"cpu": own.cpu, "memory": own.memory}, "limits": limits}


def _on_disk(address: str) -> bool:
    path = urlsplit(address).path if address.startswith("file:") else None if is_remote(address) else address
    if path and not PurePosixPath(path).is_relative_to(STATE_PATH):
        raise SettingsError(
            f"train.state_dir: the nodes do not share {path}; want a folder of {STATE_PATH}, or s3:// or gs://"
        )
    return bool(path)


def _state_volume(claim: str) -> dict[str, Any]:
    return {
        "volumes": [{"name": "state", "persistentVolumeClaim": {"claimName": claim}}],
        "containers": [{"name": _NODE, "volumeMounts": [{"name": "state", "mountPath": STATE_PATH}]}],
    }
