"""Follows a TrainJob to its result, and starts it again from the last checkpoint when nodes are lost."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from models.training.handover import RESULT
from models.training.nodes import RESULT_FOLDER
from models.training.state import newest_in
from models.training.store import ObjectStore
from pipelines.nodes.pods import cannot_start, why_failed, why_waiting
from pipelines.nodes.train_job import DIGEST
from pipelines.nodes.train_jobs import TrainJobs
from sazon.errors import ClusterError, PipelineError
from sazon.logging import get_logger

_LOG = get_logger("training")
_PASSING: Final = (None, 429, 500, 502, 503, 504)
_CANNOT_START_S: Final = 300.0  # an image may also come late: a registry that is away for a moment

Checkpoint = dict[str, Any]


class _Failed(Exception):
    """The TrainJob ended without a result; starting it again may help."""


@dataclass
class Following:
    """One training on several nodes, from whatever state it is in.

    The rule: a TrainJob that fails is started again as long as each start brings it to a later checkpoint, and
    `retries` more times. One that is complete is deleted by `finish`; one that failed for good stays, with its pods and
    logs, until the training is started again; one that is given up while it runs is deleted, as it holds GPUs.
    """

    jobs: TrainJobs
    manifest: dict[str, Any]
    store: ObjectStore
    retries: int
    timeout_s: float
    on_checkpoint: Callable[[Checkpoint], None] = lambda _: None
    poll_s: float = 5.0
    _told: str = field(default="", init=False)

    @property
    def name(self) -> str:
        """Of the TrainJob."""
        return str(self.manifest["metadata"]["name"])

    def run(self) -> None:
        """Returns when the result is in the store.

        Raises:
            PipelineError: it failed again and again, took too long, or somebody deleted it.
            ClusterError: the API refuses.
        """
        self._deadline_s = time.monotonic() + self.timeout_s
        reached, vain = self._place(), 0
        while not self._has_result():
            self._start()
            try:
                self._follow()
            except _Failed as failure:
                place = self._place()
                vain = 0 if place > reached else vain + 1
                reached = max(place, reached)
                if vain > self.retries:
                    raise PipelineError(
                        f"TrainJob {self.name} failed {vain} times without a new checkpoint: {failure} "
                        f"(it is kept: kubectl describe trainjob {self.name} -n {self.jobs.cluster.namespace})"
                    ) from None
                _LOG.warning("TrainJob %s: %s; goes on from %s", self.name, failure, _spoken(place))
                self.jobs.delete(self.name)

    def finish(self) -> None:
        """Deletes the TrainJob; its result has been read."""
        try:
            self.jobs.delete(self.name)
        except ClusterError as error:  # the model is there
            _LOG.warning("TrainJob %s stays: %s", self.name, error)

    def _start(self) -> None:
        """Creates the TrainJob, or adopts one that a former process of this training has created."""
        while not self.jobs.create(self.manifest):
            found = self.jobs.get(self.name)
            if found is None:
                continue
            metadata = found["metadata"]
            same = metadata.get("annotations", {}).get(DIGEST) == self.manifest["metadata"]["annotations"][DIGEST]
            if same and not metadata.get("deletionTimestamp") and not _condition(found, "Failed"):
                _LOG.info("TrainJob %s is there already: followed", self.name)
                return
            self.jobs.delete(self.name)

    def _follow(self) -> None:
        stuck_since_s: float | None = None
        while True:
            try:
                found, pods = self.jobs.get(self.name), self.jobs.pods(self.name)
            except ClusterError as error:
                if error.status not in _PASSING:
                    raise
                self._tell(f"cannot be seen: {error}")
                self._give_up_in_time("")
                self.jobs.sleep(self.poll_s)
                continue
            if found is None:
                raise PipelineError(
                    f"TrainJob {self.name} was deleted while it trained: start the training again to go on "
                    f"from {_spoken(self._place())}"
                )
            if checkpoint := newest_in(self.store):
                self.on_checkpoint(checkpoint)
            if self._ended(found, pods):
                return
            waiting = why_waiting(pods)
            self._tell(_state(found) or (f"waits: {waiting}" if waiting else "trains" if pods else "waits for pods"))
            stuck_since_s = (stuck_since_s or time.monotonic()) if cannot_start(pods) else None
            if stuck_since_s and time.monotonic() - stuck_since_s > _CANNOT_START_S:
                self._give_up(f"cannot start: {waiting}")
            self._give_up_in_time(waiting)
            self.jobs.sleep(self.poll_s)

    def _ended(self, found: dict[str, Any], pods: list[Any]) -> bool:
        """Whether there is a result; raises where there will be none."""
        failed, complete = _condition(found, "Failed"), _condition(found, "Complete")
        if not failed and not complete:
            return False
        if self._has_result():  # a node may be lost after that
            return True
        if complete:
            raise _Failed(f"complete, but {self.store.address} holds no result")
        if failed.get("reason") == "TrainingRuntimeNotSupported":
            remedy = "apply k8s/components/several-nodes"
            raise PipelineError(f"TrainJob {self.name}: {failed.get('message', '')} ({remedy})")
        raise _Failed(why_failed(pods, self.jobs.last_line) or failed.get("message") or "failed")

    def _give_up_in_time(self, waiting: str) -> None:
        if time.monotonic() > self._deadline_s:
            hint = f": {waiting}" if waiting else f", at {_spoken(self._place())}"
            self._give_up(f"is not done after {self.timeout_s:,.0f} s (kubeflow.nodes_timeout_s){hint}")

    def _give_up(self, reason: str) -> None:
        self.jobs.delete(self.name)
        raise PipelineError(f"TrainJob {self.name} {reason}; it was deleted, its checkpoints are kept")

    def _has_result(self) -> bool:
        return self.store.get_json(f"{RESULT_FOLDER}/{RESULT}") is not None

    def _place(self) -> tuple[int, int]:
        newest = newest_in(self.store) or {"epoch": 0, "batch": 0}
        return newest["epoch"], newest["batch"]

    def _tell(self, state: str) -> None:
        if state != self._told:
            _LOG.info("TrainJob %s %s", self.name, state)
            self._told = state


def _condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of this type if it holds; else nothing."""
    conditions = (found.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind and one["status"] == "True"), {})


def _state(found: dict[str, Any]) -> str:
    suspended = _condition(found, "Suspended")
    return f"is suspended: {suspended.get('message', '')} (by a queue, or by a person)" if suspended else ""


def _spoken(place: tuple[int, int]) -> str:
    return f"epoch {place[0] + 1}, batch {place[1]}" if any(place) else "the start"
