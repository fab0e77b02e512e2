"""What Kubeflow's API tells of a run, as a person wants it: states of steps, not of drivers, launchers and pods."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sazon.errors import UserError

_EXECUTOR: Final = "executor"


@dataclass(frozen=True)
class StepState:
    """A step of a run; `seconds` is None until it has ended."""

    name: str
    state: str
    seconds: float | None
    error: str


@dataclass(frozen=True)
class RunState:
    """A run; `finished_at` is None while it goes on."""

    run_id: str
    name: str
    state: str
    created_at: datetime | None
    finished_at: datetime | None
    error: str
    steps: list[StepState]


def read_run(run: Any) -> RunState:
    """From the client's `V2beta1Run`."""
    steps = sorted(_steps(run), key=lambda task: (task.start_time is None, task.start_time))
    finished = run.finished_at if run.finished_at and run.finished_at.year > 1970 else None  # never told as null
    return RunState(
        run_id=run.run_id,
        name=run.display_name,
        state=run.state or "PENDING",
        created_at=run.created_at,
        finished_at=finished,
        error=_message(run),
        steps=[StepState(task.display_name, task.state or "PENDING", _seconds(task), _message(task)) for task in steps],
    )


def executor_of(run: Any, step: str) -> str:
    """The node whose log is the step's: its container, of several tries the last.

    Raises:
        UserError: no such step, or it runs no container (it waits, or was answered from the cache).
    """
    roots = [task for task in _steps(run) if task.display_name == step]
    if not roots:
        known = ", ".join(sorted({task.display_name for task in _steps(run)})) or "none yet"
        raise UserError(f'run {run.run_id} has no step "{step}" (its steps: {known})')
    pods = [task for task in _below(run, roots[0]) if task.display_name.startswith(_EXECUTOR)]
    leaves = [task for task in pods if not task.child_tasks]
    if not leaves:
        raise UserError(f"{step} of run {run.run_id} has no container: it is {roots[0].state or 'PENDING'}, or cached")
    node: str = max(leaves, key=lambda task: (task.start_time is not None, task.start_time)).pod_name
    return node


def _details(run: Any) -> list[Any]:
    return (run.run_details.task_details if run.run_details else None) or []


def _steps(run: Any) -> list[Any]:
    """The tasks of the pipeline, without what Kubeflow runs around them."""
    names = _task_names(run.pipeline_spec)
    return [task for task in _details(run) if _is_step(task.display_name or "", names)]


def _is_step(name: str, names: set[str]) -> bool:
    if names:
        return name in names
    return name != "root" and not name.startswith(_EXECUTOR) and not name.endswith("-driver")


def _task_names(pipeline_spec: Any) -> set[str]:
    spec = pipeline_spec or {}
    spec = spec.get("pipeline_spec", spec)  # wrapped where there is a second document
    tasks: dict[str, Any] = spec.get("root", {}).get("dag", {}).get("tasks", {})
    return set(tasks)


def _below(run: Any, task: Any) -> Iterator[Any]:
    nodes = {found.pod_name: found for found in _details(run)}
    for child in task.child_tasks or ():
        if found := nodes.get(child.pod_name):
            yield found
            yield from _below(run, found)


def _seconds(task: Any) -> float | None:
    if not task.start_time or not task.end_time or task.end_time < task.start_time:
        return None
    elapsed: float = (task.end_time - task.start_time).total_seconds()
    return elapsed


def _message(item: Any) -> str:
    return " ".join(item.error.message.split()) if item.error and item.error.message else ""
