"""Follows a TrainJob to its result, and starts it again from the last checkpoint when nodes are lost."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from models.training.handover import RESULT
from models.training.nodes import RESULT_FOLDER
from models.training.state import newest_in
from models.training.store import ObjectStore
from pipelines.nodes.pods import cannot_start, why_failed, why_waiting
from pipelines.nodes.train_job import DIGEST
from pipelines.nodes.train_jobs import TrainJobs
from sazon.errors import ClusterError, PipelineError, SazonError, StoreError
from sazon.logging import get_logger

_LOG = get_logger("training")
_PASSING: Final = (None, 429, 500, 502, 503, 504)
_GRACE_S: Final = 300.0  # after the deadline, for deleting what holds GPUs
_CANNOT_START_S: Final = 300.0  # an image may also come late: a registry that is away for a moment

Checkpoint = dict[str, Any]
T = TypeVar("T")


class _Failed(Exception):
    """The TrainJob ended without a result; starting it again may help."""


class _GivenUp(Exception):
    """The TrainJob is not to run on."""


@dataclass
class Following:
    """One training on several nodes, from whatever state it is in.

    The rule: a TrainJob that fails is started again as long as each start brings it to a later checkpoint, and
    `retries` more times. One that is complete is deleted by `finish`; one that failed for good stays, with its pods and
    logs, until the training is started again; one that is given up while it runs is deleted, as it holds GPUs.
    A cluster or a store that is away is waited for.
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
        try:
            self._run()
        except _GivenUp as reason:
            raise PipelineError(f"TrainJob {self.name} {reason}; {self._removed()}, its checkpoints are kept") from None

    def finish(self) -> None:
        """Deletes the TrainJob; its result has been read."""
        try:
            self.jobs.delete(self.name)
        except SazonError as error:  # the model is there
            _LOG.warning("TrainJob %s stays: %s", self.name, error)

    def _run(self) -> None:
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
                self._delete()

    def _start(self) -> None:
        """Creates the TrainJob, or adopts one that a former process of this training has created."""
        while not self._patiently(lambda: self.jobs.create(self.manifest)):
            found = self._patiently(lambda: self.jobs.get(self.name))
            if found is None:
                continue
            metadata = found["metadata"]
            same = metadata.get("annotations", {}).get(DIGEST) == self.manifest["metadata"]["annotations"][DIGEST]
            if same and not metadata.get("deletionTimestamp") and not _condition(found, "Failed"):
                _LOG.info("TrainJob %s is there already: followed", self.name)
                return
            self._delete()

    def _follow(self) -> None:
        stuck_since_s: float | None = None
        while True:
            found, pods = self._patiently(lambda: (self.jobs.get(self.name), self.jobs.pods(self.name)))
            if found is None:
                raise PipelineError(
                    f"TrainJob {self.name} was deleted while it trained: start the training again to go on "
                    f"from {_spoken(self._place())}"
                )
            if checkpoint := self._newest():
                self.on_checkpoint(checkpoint)
            if self._ended(found, pods):
                return
            waiting = why_waiting(pods)
            self._tell(_state(found) or (f"waits: {waiting}" if waiting else "trains" if pods else "waits for pods"))
            stuck_since_s = (stuck_since_s or time.monotonic()) if cannot_start(pods) else None
            if stuck_since_s and time.monotonic() - stuck_since_s > _CANNOT_START_S:
                raise _GivenUp(f"cannot start: {waiting}")
            self._check_time(waiting)
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

    def _patiently(self, ask: Callable[[], T]) -> T:
        """What the cluster or the store answers; one that is away is asked until time is up."""
        while True:
            try:
                return ask()
            except (ClusterError, StoreError) as error:
                if isinstance(error, ClusterError) and error.status not in _PASSING:
                    raise
                self._tell(f"is waited for: {error}")
                self._check_time(str(error))
            self.jobs.sleep(self.poll_s)

    def _check_time(self, obstacle: str) -> None:
        if time.monotonic() > self._deadline_s:
            hint = obstacle or f"at {_spoken(self._place())}"
            raise _GivenUp(f"is not done after {self.timeout_s:,.0f} s (kubeflow.nodes_timeout_s): {hint}")

    def _delete(self) -> None:
        self._patiently(lambda: self.jobs.delete(self.name))

    def _removed(self) -> str:
        """Deletes the TrainJob and says so, or why not."""
        self._deadline_s = time.monotonic() + _GRACE_S
        try:
            self._delete()
        except (_GivenUp, SazonError) as error:
            return f"it may hold GPUs still, as it could not be deleted ({error})"
        return "it was deleted"

    def _has_result(self) -> bool:
        return self._patiently(lambda: self.store.get_json(f"{RESULT_FOLDER}/{RESULT}")) is not None

    def _newest(self) -> Checkpoint | None:
        return self._patiently(lambda: newest_in(self.store))

    def _place(self) -> tuple[int, int]:
        newest = self._newest() or {"epoch": 0, "batch": 0}
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
