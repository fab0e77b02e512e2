"""What the pods of a training say of themselves, in a few words."""

from collections.abc import Callable
from typing import Any, Final

_NO_IMAGE: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")


def why_waiting(pods: list[Any]) -> str:
    """Why pods do not run yet; empty where all do.

    Args:
        pods: V1Pods.
    """
    reasons = (f"{pod.metadata.name}: {reason}" for pod in pods if (reason := _waiting(pod)))
    return "; ".join(reasons)


def cannot_start(pods: list[Any]) -> bool:
    """Whether a pod waits for something that nobody but its author can bring about, such as an image."""
    states = (status.state for pod in pods for status in pod.status.container_statuses or [])
    return any(state.waiting is not None and state.waiting.reason in _NO_IMAGE for state in states if state)


def why_failed(pods: list[Any], last_line: Callable[[str], str]) -> str:
    """Which pod failed and of what; a lost machine before anything else, since the others fail because of it.

    Args:
        pods: V1Pods.
        last_line: of the log of a pod.
    """
    lost = [f"{pod.metadata.name} lost its machine ({reason})" for pod in pods if (reason := _disrupted(pod))]
    if lost:
        return "; ".join(lost)
    failed = [f"{pod.metadata.name} {_ended(pod)}{_said(last_line(pod.metadata.name))}" for pod in pods if _ended(pod)]
    return "; ".join(failed)


def _waiting(pod: Any) -> str:
    for status in pod.status.container_statuses or []:
        if status.state and status.state.waiting and status.state.waiting.reason:
            return f"{status.state.waiting.reason} {status.state.waiting.message or ''}".strip()
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{condition.reason} {condition.message or ''}".strip()
    return ""


def _disrupted(pod: Any) -> str:
    conditions = pod.status.conditions or []
    return next((one.reason or "" for one in conditions if one.type == "DisruptionTarget" and one.status == "True"), "")


def _ended(pod: Any) -> str:
    for status in pod.status.container_statuses or []:
        ended = status.state.terminated if status.state else None
        if ended and ended.exit_code:
            return f"ended with exit code {ended.exit_code}{f' ({ended.reason})' if ended.reason else ''}"
    return "failed" if pod.status.phase == "Failed" else ""


def _said(line: str) -> str:
    return f": {line[:300]}" if line else ""
