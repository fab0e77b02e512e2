"""Waitress with a bounded queue: when that is full, its loop refuses requests by itself."""

import threading
import time
from typing import Any

from waitress.task import ThreadedTaskDispatcher

from serving.gateway.admission import BOUNDED, Admission
from serving.gateway.listening import SPARE_THREADS
from serving.gateway.malformed import Channel as BaseChannel


class Channel(BaseChannel):
    """A connection whose request may be refused on the loop."""

    def received(self, data: bytes) -> bool:
        """Takes what arrived; whole requests that find no place are refused before they are parsed."""
        dispatcher = self.server.task_dispatcher
        is_idle = self.request is None and not self.requests and not self.total_outbufs_len
        if is_idle and dispatcher.is_full and (answer := dispatcher.admission.refusal_unread(data)):
            self._send(answer)
            return True
        return bool(super().received(data))

    def refuse(self, admission: Admission) -> bool:
        """Answers the waiting request; False where it has to be worked on."""
        request = self.requests[0]
        # Only the loop may write while no task runs.
        if request.error or self.total_outbufs_len or threading.current_thread() is not threading.main_thread():
            return False
        answer = admission.refusal(request.command, request.path)
        if answer is None:
            return False
        self.requests.clear()
        request.close()
        if request.version != "1.1" or request.headers.get("CONNECTION", "").lower() == "close":
            self.close_when_flushed = True
        self._send(answer)
        return True

    def _send(self, answer: bytes) -> None:
        with self.outbuf_lock:
            self.outbufs[-1].append(answer)
            self.total_outbufs_len += len(answer)
            self._flush_exception(self._flush_some)


class Dispatcher(ThreadedTaskDispatcher):
    """Threads, and a queue that holds no more than the admission has places for; health and metrics go to its head."""

    def __init__(self, admission: Admission) -> None:
        super().__init__()
        self.admission = admission
        self.set_thread_count(admission.at_once + SPARE_THREADS)
        while self.active_count:  # threads that are still starting would look busy, and requests be refused
            time.sleep(0.001)

    @property
    def is_full(self) -> bool:
        """Whether there is no place for one more."""
        return self.active_count + len(self.queue) >= self.admission.places

    def add_task(self, task: Any) -> None:
        """Queues a request, or refuses it."""
        if self.is_full and task.refuse(self.admission):
            return
        request = task.requests[0]  # one that is not HTTP has no path
        with self.lock:
            if not request.error and request.path in BOUNDED:
                self.queue.append(task)
            else:
                self.queue.appendleft(task)
            self.queue_cv.notify()
