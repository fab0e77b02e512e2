"""One bad input, the ways of sending it, and what may come back: an HTTP status, or a gRPC code by name."""

import http.client
import json
import select
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc

from tests.integration.model_server.process import Server

PREDICT = "/v1/models/m:predict"
CLOSED = "closed"
"""The server hung up: all it can do where no request has come in whole."""
TIMEOUT_S, PATIENCE_S = 20, 0.3
MESSAGE_LIMIT = 8 * 2**20
"""Of the gRPC messages that the server under test takes."""

Send = Callable[[Server], str]


@dataclass(frozen=True)
class Case:
    """What is sent, and what may come back."""

    group: str
    name: str
    send: Send
    expected: tuple[str, ...]

    def __str__(self) -> str:
        """Its id in the report."""
        return f"{self.group}/{self.name}".encode("ascii", "backslashreplace").decode()


def post(body: bytes, path: str = PREDICT, headers: Mapping[str, str] | None = None) -> Send:
    """A well-formed HTTP request."""

    def send(server: Server) -> str:
        status, answer, got = server.exchange("POST", path, body, headers)
        if status >= 400 and got["content-type"] == "application/json" and answer:
            assert list(json.loads(answer)) == ["error"]
        return str(status)

    return send


def raw(data: bytes) -> Send:
    """Bytes as they are; the end of the stream follows where no answer comes."""

    def send(server: Server) -> str:
        host, port = server.rest.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
            try:
                connection.sendall(data)
                if not select.select([connection], [], [], PATIENCE_S)[0]:
                    connection.shutdown(socket.SHUT_WR)
                response = http.client.HTTPResponse(connection)
                response.begin()
            except (ConnectionError, http.client.BadStatusLine):
                return CLOSED
            return str(response.status)

    return send


def call(method: str, request: bytes, metadata: tuple[tuple[str, str], ...] = (), timeout_s: float = TIMEOUT_S) -> Send:
    """A gRPC call whose message may be any bytes; `method` is `Service/Method`."""

    def send(server: Server) -> str:
        call = server.channel.unary_unary(f"/tensorflow.serving.{method}")
        try:
            call(request, timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    return send


def grpc_bytes(data: bytes) -> Send:
    """Bytes that are no HTTP/2, on the gRPC port."""

    def send(server: Server) -> str:
        host, port = server.grpc.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except ConnectionError:
                pass
        return CLOSED

    return send
