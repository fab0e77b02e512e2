"""A worker of gunicorn that takes no thread for a request that it would refuse, nor for one that is not there yet."""

import socket
from concurrent.futures import Future
from typing import Any, Final

from gunicorn.workers.gthread import _DEFER, ThreadWorker  # type: ignore[import-untyped]

from serving.gateway.admission import EXTENSION, Admission
from serving.gateway.listening import favour_the_loop

_PEEKED_BYTES: Final = 65536


class Worker(ThreadWorker):  # type: ignore[misc]
    """When all places are taken, whole small requests are refused on the loop; others go the usual way."""

    def init_process(self) -> None:
        """Counts from zero in each process."""
        favour_the_loop()
        self._busy = 0
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        """Gives a connection to a thread, or refuses what came over it."""
        admission: Admission = self.wsgi.extensions[EXTENSION]
        if self._busy >= admission.places and not self.cfg.is_ssl:
            try:
                arrived = conn.sock.recv(_PEEKED_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._settle(conn, _DEFER)
                return
            except OSError:
                arrived = b""
            if answer := admission.refusal_unread(arrived):
                self._settle(conn, self._answer(conn, arrived, answer))
                return
        self._busy += 1
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        """A thread is free again."""
        self._busy -= 1
        super().finish_request(conn, fs)

    def _answer(self, conn: Any, arrived: bytes, answer: bytes) -> bool:
        """Whether the connection can be kept."""
        try:
            conn.sock.recv(len(arrived))
            return bool(conn.sock.send(answer, socket.MSG_DONTWAIT) == len(answer))
        except OSError:
            return False

    def _settle(self, conn: Any, outcome: Any) -> None:
        """As if a thread had come to that outcome."""
        done: Future[Any] = Future()
        done.set_result(outcome)
        super().finish_request(conn, done)
