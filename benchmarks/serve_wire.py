"""HTTP load that costs little: prepared requests over kept connections, answers looked for every few milliseconds.

An event loop that wakes for each answer takes ten times the processor, on a machine that the servers share.
"""

import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

TICK_S: Final = 0.002
"""Times are as exact as this."""
MAX_CONNECTIONS: Final = 4000
LOST: Final = 0
"""In place of a status: refused, reset, never answered, or more than so many connections at once."""
PATIENCE_S: Final = 10.0
"""After the last request was sent."""

Record = tuple[float, float, int]
"""When a request was due (seconds since the start), how long it took, its status."""


def post(path: str, body: bytes) -> bytes:
    """The bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class _Connection:
    socket: socket.socket
    due_s: float | None = None
    got: bytes = b""


@dataclass
class Wire:
    """Connections to one server on this machine; as many as requests are under way.

    Attributes:
        port: of the server.
        requests: sent in turn.
        began_s: on `time.monotonic`; what the records count from.
        records: of all requests that have ended.
    """

    port: int
    requests: Sequence[bytes]
    began_s: float
    records: list[Record] = field(default_factory=list)
    _open: dict[int, _Connection] = field(default_factory=dict)
    _idle: list[_Connection] = field(default_factory=list)
    _events: select.epoll = field(default_factory=select.epoll)
    _sent: int = 0

    def closed_loop(self, clients: int, goes_on: Callable[[], bool]) -> list[Record]:
        """So many clients, each sending its next request when the last is answered, while `goes_on` says so."""
        while goes_on():
            self._collect()
            for _ in range(clients - (self._sent - len(self.records))):
                self._send(time.monotonic())
            time.sleep(TICK_S)
        return self._finish()

    def paced(self, clients: int, per_s: float, goes_on: Callable[[], bool]) -> list[Record]:
        """So many clients that together ask at a rate; time in which all wait for their answers is not made up for."""
        due_s = self.began_s
        while goes_on():
            self._collect()
            while (now_s := time.monotonic()) >= due_s and self._sent - len(self.records) < clients:
                self._send(now_s)
                due_s += 1 / per_s
            if self._sent - len(self.records) >= clients:
                due_s = max(due_s, time.monotonic())
            time.sleep(TICK_S)
        return self._finish()

    def fixed_rate(self, per_s: float, seconds: float) -> list[Record]:
        """Requests due at even distances, whatever became of those before."""
        total = int(per_s * seconds)
        while self._sent < total:
            while self._sent < total and (due_s := self.began_s + self._sent / per_s) <= time.monotonic():
                self._send(due_s)
            self._collect()
            time.sleep(TICK_S)
        return self._finish()

    def _send(self, due_s: float) -> None:
        request = self.requests[self._sent % len(self.requests)]
        self._sent += 1
        try:
            connection = self._idle.pop() if self._idle else self._connect()
        except OSError:
            self._note(due_s, LOST)
            return
        connection.due_s, connection.got = due_s, b""
        try:
            connection.socket.send(request)  # small, and nothing else is in its buffer
        except OSError:
            self._drop(connection)

    def _connect(self) -> _Connection:
        if len(self._open) >= MAX_CONNECTIONS:
            raise ConnectionError("too many connections")
        connection = _Connection(socket.create_connection(("127.0.0.1", self.port), timeout=1.0))
        connection.socket.setblocking(False)
        self._open[connection.socket.fileno()] = connection
        self._events.register(connection.socket, select.EPOLLIN)
        return connection

    def _collect(self) -> None:
        for number, _ in self._events.poll(0, MAX_CONNECTIONS):
            self._read(self._open[number])

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(65536)
        except OSError:
            data = b""
        if not data or connection.due_s is None:
            self._drop(connection)
            return
        connection.got += data
        head, ended, body = connection.got.partition(b"\r\n\r\n")
        fields = head.lower()
        if ended and len(body) >= int(fields.partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            self._note(connection.due_s, int(head[9:12]))
            connection.due_s = None
            if b"\r\nconnection: close" in fields:
                self._drop(connection)
            else:
                self._idle.append(connection)

    def _drop(self, connection: _Connection) -> None:
        if connection.due_s is not None:
            self._note(connection.due_s, LOST)
        elif connection in self._idle:
            self._idle.remove(connection)
        del self._open[connection.socket.fileno()]
        connection.socket.close()

    def _note(self, due_s: float, status: int) -> None:
        self.records.append((due_s - self.began_s, time.monotonic() - due_s, status))

    def _finish(self) -> list[Record]:
        give_up_s = time.monotonic() + PATIENCE_S
        while len(self.records) < self._sent and time.monotonic() < give_up_s:
            self._collect()
            time.sleep(TICK_S)
        for connection in list(self._open.values()):
            self._drop(connection)
        return self.records
