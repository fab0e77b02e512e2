"""Requests that never reach the application because they are not HTTP; answered in JSON as all others."""

import json
import socket

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask


def write_gunicorn_error(client: socket.socket, status: int, reason: str, message: str) -> None:
    """Takes the place of `gunicorn.util.write_error`, which writes HTML."""
    body = _body(reason, message)
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    client.settimeout(1)
    client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)


class _ErrorTask(ErrorTask):
    def execute(self) -> None:
        error = self.request.error
        body = _body(error.reason, error.body)
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    """A connection of waitress."""

    error_task_class = _ErrorTask


def _body(reason: str, message: str) -> bytes:
    code = reason.lower().replace(" ", "_")
    return json.dumps({"error": {"code": code, "message": message or reason}}).encode()
