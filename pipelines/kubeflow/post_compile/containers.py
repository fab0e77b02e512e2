"""What a container is given: image, resources, GPUs, environment, another try."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

from pipelines.kubeflow.post_compile.graph import Ir, container_of, containers_of, tasks_of
from sazon.cluster import Image, Resources

_UNITS: Final = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def drop_drivers(ir: Ir) -> None:
    """Removes the pre-cache hook of ExampleGen, lest someone trusts it.

    Upstream: TFX hands its file-based driver to a hook that only the managed service calls. Here the container's entry
    calls it.
    """
    for container in containers_of(ir):
        container.pop("lifecycle", None)


def set_resources(ir: Ir, task: str, resources: Resources) -> None:
    """Asks for CPU and memory, as request and limit alike: a pod that fits its node is not evicted for memory.

    Upstream: TFX takes them from `with_platform_config`, which LocalDagRunner refuses. Kubeflow reads `resource…`;
    older versions know only the numbers.
    """
    wanted = container_of(ir, task).setdefault("resources", {})
    cpu, memory = _number(resources.cpu), _gigabytes(resources.memory)
    for kind in ("Request", "Limit"):
        wanted |= {f"cpu{kind}": cpu, f"memory{kind}": memory}
        wanted |= {f"resourceCpu{kind}": resources.cpu, f"resourceMemory{kind}": resources.memory}


def use_gpu(ir: Ir, task: str, image: Image, resource: str, count: int) -> None:
    """Runs a task on the GPU image, on so many GPUs.

    Upstream: Kubeflow reads `resourceType` and `resourceCount`; older versions know only `type` and `count`.
    """
    container = container_of(ir, task)
    container["image"] = image
    container.setdefault("resources", {})["accelerator"] = {
        "type": resource,
        "count": str(count),
        "resourceType": resource,
        "resourceCount": str(count),
    }


def set_environment(ir: Ir, variables: Mapping[str, str], task: str | None = None) -> None:
    """Adds environment variables to one container, or to all.

    Upstream: TFX has no way to give any, and settings reach a pod only so.
    """
    for container in containers_of(ir) if task is None else [container_of(ir, task)]:
        known = {item["name"]: item["value"] for item in container.get("env", [])} | dict(variables)
        container["env"] = [{"name": name, "value": value} for name, value in sorted(known.items())]


def retry(ir: Ir, times: int, never: Collection[str] = ()) -> None:
    """Tries a failed task again, after one minute, two, four, at most ten; those of `never` are not.

    Upstream: TFX's compiled tasks have no policy, so one evicted pod fails the run.
    """
    for name in tasks_of(ir).keys() - set(never) if times else ():
        tasks_of(ir)[name]["retryPolicy"] = _policy(times)


def _policy(times: int) -> dict[str, Any]:
    return {"maxRetryCount": times, "backoffDuration": "60s", "backoffFactor": 2.0, "backoffMaxDuration": "600s"}


def _number(cpu: str) -> float:
    return int(cpu.removesuffix("m")) / 1000 if cpu.endswith("m") else float(cpu)


def _gigabytes(memory: str) -> float:
    """In units of 10⁹ bytes, as the field has it."""
    digits = memory.rstrip("KMGTi")
    return float(Decimal(digits) * _UNITS[memory.removeprefix(digits)] / 10**9)
