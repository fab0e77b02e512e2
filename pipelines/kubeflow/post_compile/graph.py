"""Ways into the dictionary of a PipelineSpec."""

from collections.abc import Iterator
from typing import Any

Ir = dict[str, Any]
Node = dict[str, Any]


def tasks_of(ir: Ir) -> dict[str, Node]:
    """The tasks of the root graph by name."""
    tasks: dict[str, Node] = ir["root"]["dag"]["tasks"]
    return tasks


def component_of(ir: Ir, task: str) -> Node:
    """The interface of a task."""
    component: Node = ir["components"][tasks_of(ir)[task]["componentRef"]["name"]]
    return component


def executors_of(ir: Ir) -> dict[str, Node]:
    """What runs, by executor label."""
    executors: dict[str, Node] = ir["deploymentSpec"]["executors"]
    return executors


def container_of(ir: Ir, task: str) -> Node:
    """The container of a task.

    Raises:
        KeyError: no such task, or it is no container.
    """
    container: Node = executors_of(ir)[component_of(ir, task)["executorLabel"]]["container"]
    return container


def containers_of(ir: Ir) -> Iterator[Node]:
    """The containers of all tasks that are one."""
    return (executor["container"] for executor in executors_of(ir).values() if "container" in executor)


def parameters_of(task: Node) -> dict[str, Node]:
    """The parameters that a task is given."""
    parameters: dict[str, Node] = task.get("inputs", {}).get("parameters", {})
    return parameters


def artifacts_of(task: Node) -> dict[str, Node]:
    """The artifacts that a task is given."""
    artifacts: dict[str, Node] = task.get("inputs", {}).get("artifacts", {})
    return artifacts
