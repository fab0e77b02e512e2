"""Dynamic batching: requests of one signature wait a little for each other and run together."""

import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from serving.model_server.batches import batch_size, merge, padded_size, split
from serving.model_server.config_files import BatchingOptions
from serving.model_server.signature import Array
from serving.model_server.statuses import Code, StatusError, invalid_argument
from serving.model_server.telemetry import Telemetry

if TYPE_CHECKING:
    from serving.model_server.servable import Servable

Outputs: TypeAlias = dict[str, Array]


@dataclass(eq=False)
class _Task:
    inputs: Mapping[str, Array]
    size: int
    deadline_at: float | None
    queued_at: float = field(default_factory=time.monotonic)
    answer: "Future[Outputs]" = field(default_factory=Future)


@dataclass(eq=False)
class _Batch:
    tasks: list[_Task] = field(default_factory=list)
    size: int = 0
    opened_at: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class _Queue:
    """Batches of one signature of one version; the last one is open."""

    servable: "Servable"
    signature: str
    batches: deque[_Batch] = field(default_factory=deque)


class Batcher:
    """Queues of batches, and the threads that run them."""

    def __init__(self, options: BatchingOptions, telemetry: Telemetry) -> None:
        self._options, self._telemetry = options, telemetry
        self._queues: weakref.WeakKeyDictionary[Servable, dict[str, _Queue]] = weakref.WeakKeyDictionary()
        self._waiting: deque[_Queue] = deque()
        """Queues that hold batches; the one served last goes to the end."""
        self._changed = threading.Condition()
        for number in range(options.threads):
            threading.Thread(target=self._work, name=f"{options.thread_pool_name}-{number}", daemon=True).start()

    def run(
        self,
        servable: "Servable",
        signature: str,
        inputs: Mapping[str, Array],
        outputs: tuple[str, ...] | None = None,
        deadline_at: float | None = None,
    ) -> Outputs:
        """As `Servable.run`, together with other requests.

        Alone run those that want only some outputs, have other shapes than the signature says, or are too large for a
        batch and may be split.

        Raises:
            StatusError: as there; or the request is too large, the queue is full, or it waited too long.
        """
        declared = servable.signatures[signature]
        if (outputs is not None and set(outputs) != set(declared.outputs)) or not declared.accepts(inputs):
            return servable.run(signature, inputs, outputs, deadline_at)
        task = _Task(inputs, batch_size(inputs), deadline_at)
        if task.size > self._options.max_batch_size:
            if self._options.split_large:
                return servable.run(signature, inputs, outputs, deadline_at)
            raise invalid_argument(
                f"Task size {task.size} is larger than maximum input batch size {self._options.max_batch_size}"
            )
        with self._changed:
            self._enqueue(servable, signature, task)
            self._changed.notify()
        return self._wait(task)

    def _wait(self, task: _Task) -> Outputs:
        timeout_s = None if task.deadline_at is None else max(0.0, task.deadline_at - time.monotonic())
        try:
            return task.answer.result(timeout_s)
        except TimeoutError:
            if task.answer.cancel():
                raise _expired() from None
            raise StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification") from None

    def _enqueue(self, servable: "Servable", signature: str, task: _Task) -> None:
        queues = self._queues.setdefault(servable, {})
        queue = queues.setdefault(signature, _Queue(weakref.proxy(servable), signature))
        if not queue.batches:
            self._waiting.append(queue)
        if not queue.batches or queue.batches[-1].size + task.size > self._options.max_batch_size:
            if len(queue.batches) >= self._options.max_enqueued_batches:
                raise StatusError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full; currently "
                    f"{len(queue.batches)} batches enqueued and max_enqueued_batches is "
                    f"{self._options.max_enqueued_batches}",
                )
            queue.batches.append(_Batch())
        batch = queue.batches[-1]
        batch.tasks.append(task)
        batch.size += task.size

    def _work(self) -> None:
        while True:
            queue, batch = self._take()
            self._process(queue, batch)

    def _take(self) -> tuple[_Queue, _Batch]:
        with self._changed:
            while True:
                now = time.monotonic()
                due_at = None
                for queue in self._waiting:
                    ready_at = self._ready_at(queue)
                    if ready_at <= now:
                        return queue, self._pop(queue)
                    due_at = ready_at if due_at is None else min(due_at, ready_at)
                self._changed.wait(None if due_at is None else due_at - now)

    def _ready_at(self, queue: _Queue) -> float:
        first = queue.batches[0]
        if len(queue.batches) > 1 or first.size >= self._options.max_batch_size:
            return 0.0
        return first.opened_at + self._options.batch_timeout_s

    def _pop(self, queue: _Queue) -> _Batch:
        batch = queue.batches.popleft()
        self._waiting.remove(queue)
        if queue.batches:
            self._waiting.append(queue)
            self._changed.notify()
        return batch

    def _process(self, queue: _Queue, batch: _Batch) -> None:
        tasks = [task for task in batch.tasks if task.answer.set_running_or_notify_cancel()]
        now = time.monotonic()
        for task in tasks:
            self._telemetry.observe_queued(self._options.thread_pool_name, task.size, now - task.queued_at)
        if not tasks:
            return
        answers: Sequence[Outputs | Exception]
        try:
            answers = self._run(queue, tasks, now)
        except Exception as error:
            answers = [error] * len(tasks)
        for task, answer in zip(tasks, answers, strict=True):
            if isinstance(answer, Exception):
                task.answer.set_exception(answer)
            else:
                task.answer.set_result(answer)

    def _run(self, queue: _Queue, tasks: list[_Task], now: float) -> Sequence[Outputs | Exception]:
        if all(task.deadline_at is not None and task.deadline_at <= now for task in tasks):
            raise _expired()
        sizes = [task.size for task in tasks]
        rows = padded_size(sum(sizes), self._options.allowed_batch_sizes)
        self._telemetry.observe_batch(rows, rows - sum(sizes))
        merged = merge([task.inputs for task in tasks], rows, self._options.pad_variable_length_inputs)
        try:
            outputs = queue.servable.run(queue.signature, merged)
        except StatusError:
            if len(tasks) == 1:
                raise
            return [_run_alone(queue, task) for task in tasks]
        return split(outputs, rows, sizes)


def _run_alone(queue: _Queue, task: _Task) -> Outputs | StatusError:
    """A request that the model refuses must not fail its neighbours."""
    try:
        return queue.servable.run(queue.signature, task.inputs, None, task.deadline_at)
    except StatusError as error:
        return error


def _expired() -> StatusError:
    return StatusError(Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")
