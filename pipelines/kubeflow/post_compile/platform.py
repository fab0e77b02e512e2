"""The second document: what Kubernetes must know of a pod and the PipelineSpec has no words for.

Each function adds to the configuration of executors by label. Upstream: TFX writes no such document; the managed
service has neither claims nor tolerations.
"""

from collections.abc import Iterable
from typing import Any, Final

from pipelines.kubeflow.post_compile.graph import Ir, component_of, executors_of
from sazon.cluster import SecretVariable, Toleration

Executors = dict[str, dict[str, Any]]
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  the kernel's name for it


def executors_like(ir: Ir) -> Executors:
    """An empty configuration for every executor of the first document.

    Upstream: a label that the first document lacks is ignored in silence, so labels are never written by hand.
    """
    return {label: {} for label, executor in executors_of(ir).items() if "container" in executor}


def labels_of(ir: Ir, tasks: Iterable[str]) -> list[str]:
    """The executor labels of tasks."""
    return [component_of(ir, task)["executorLabel"] for task in tasks]


def mount_claim(executors: Executors, claim: str, path: str) -> None:
    """Mounts a volume claim, too, in every pod.

    Upstream: a path such as ExampleGen's `input_base` is a parameter, which the launcher never downloads. The claim is
    written in both forms: older versions know only `constant`.
    """
    for config in executors.values():
        mount = {"constant": claim, "pvcNameParameter": _constant(claim), "mountPath": path}
        config.setdefault("pvcMount", []).append(mount)


def add_secrets(executors: Executors, secrets: Iterable[SecretVariable]) -> None:
    """Fills environment variables from Secrets, so that no password is in the pipeline's file or in its parameters."""
    for secret in secrets:
        for config in executors.values():
            config.setdefault("secretAsEnv", []).append(
                {
                    "secretName": secret.secret,
                    "secretNameParameter": _constant(secret.secret),
                    "keyToEnv": [{"secretKey": secret.key, "envVar": secret.variable}],
                }
            )


def place_on_nodes(
    executors: Executors, labels: Iterable[str], selector: dict[str, str], tolerations: Iterable[Toleration]
) -> None:
    """Chooses the nodes of some executors, and lets them run where a taint keeps others away."""
    listed = [toleration.model_dump(exclude_none=True) for toleration in tolerations]
    for label in labels:
        if selector:
            executors[label]["nodeSelector"] = {"labels": selector}
        if listed:
            executors[label]["tolerations"] = [_camel_case(toleration) for toleration in listed]


def share_memory(executors: Executors, labels: Iterable[str]) -> None:
    """Gives processes of one pod memory to share: containers get 64 MB, less than the exchange between GPUs needs."""
    for label in labels:
        executors[label]["emptyDirMounts"] = [
            {"volumeName": "shared-memory", "mountPath": _SHARED_MEMORY, "medium": "Memory"}
        ]


def run_as(executors: Executors, user: int) -> None:
    """Says that no pod runs as root; with what the backend sets, it passes Pod Security "restricted".

    Upstream: the backend forbids escalation and drops capabilities, but a user is only set where this document has one.
    """
    for config in executors.values():
        config["securityContext"] = {"runAsUser": str(user), "runAsGroup": str(user), "runAsNonRoot": True}


def as_document(executors: Executors) -> dict[str, Any]:
    """The PlatformSpec."""
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _constant(value: str) -> dict[str, Any]:
    return {"runtimeValue": {"constant": value}}


def _camel_case(toleration: dict[str, Any]) -> dict[str, Any]:
    """The protocol's JSON names; a 64-bit number is a string there."""
    seconds = toleration.pop("toleration_seconds", None)
    return toleration if seconds is None else {**toleration, "tolerationSeconds": str(seconds)}
