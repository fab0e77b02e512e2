"""The two ports: HTTP by uvicorn, gRPC by grpc.aio."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any, Final

import grpc
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sazon.errors import ServingError
from serving.model_server.config_files import TlsOptions
from serving.model_server.options import ListenOptions
from serving.sockets import bind

SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 2**31 - 1),
    ("grpc.max_send_message_length", 2**31 - 1),
    # A second server on the same port must fail, not share its requests.
    ("grpc.so_reuseport", 0),
)

KEEP_ALIVE_S: Final = 75
"""Longer than the idle time of usual client pools, so that no request meets a closing connection."""


MAX_HEAD_BYTES: Final = 64 * 1024
"""Of a request's line and headers."""

_CLOSE_S: Final = 1
"""The answers just given get so long to reach their clients."""


class RestListener:
    """Serves an ASGI application over HTTP."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        self._app, self._host, self._port = app, host, port
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """`host:port` with the port that was really bound."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Opens the port.

        Raises:
            ServingError: the port is taken or the host is not ours.
        """
        bound = bind(self._host, self._port, "REST")
        self._port = bound.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            loop="none",
            http=_BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[bound]))
        await self._server.ready.wait()

    async def stop(self) -> None:
        """Closes the port; nothing is in flight any more, or was given up."""
        if self._server is not None and self._serving is not None:
            self._server.config.timeout_graceful_shutdown = _CLOSE_S
            self._server.should_exit = True
            await self._serving


class GrpcListener:
    """Serves gRPC handlers."""

    def __init__(self, handlers: Sequence[grpc.GenericRpcHandler], options: ListenOptions) -> None:
        self._handlers, self._options = handlers, options
        self._port = options.grpc_port
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        """`host:port` with the port that was really bound."""
        return f"{self._options.host}:{self._port}"

    async def start(self) -> None:
        """Opens the port, and the Unix socket where one is asked for.

        Raises:
            ServingError: the port is taken, the host is not ours, or the certificates are bad.
        """
        # Of an option that comes twice, gRPC takes the first.
        options = dict((*SERVER_OPTIONS, *self._options.grpc_arguments))
        server = grpc.aio.server(options=tuple(options.items()))
        server.add_generic_rpc_handlers(tuple(self._handlers))
        try:
            self._port = _add_port(server, self.address, self._options.tls)
            if self._options.grpc_socket:
                server.add_insecure_port(f"unix:{self._options.grpc_socket}")
        except RuntimeError:
            where = " or ".join(filter(None, (self.address, self._options.grpc_socket)))
            raise ServingError(
                f"gRPC cannot listen on {where}: choose another port (with TLS, also check the certificates)"
            ) from None
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Closes the port; nothing is in flight any more, or was given up."""
        if self._server is not None:
            await self._server.stop(_CLOSE_S)


def _add_port(server: grpc.aio.Server, address: str, tls: TlsOptions | None) -> int:
    if tls is None:
        return int(server.add_insecure_port(address))
    credentials = grpc.ssl_server_credentials(
        [(tls.key, tls.certificate)], tls.client_authority, require_client_auth=tls.verify_client
    )
    return int(server.add_secure_port(address, credentials))


class _BoundedProtocol(HttpToolsProtocol):
    """Refuses a request whose head is too large; the parser would collect it without end."""

    _in_head, _head_bytes = True, 0

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n")
                self.transport.close()


class _Server(uvicorn.Server):
    """Leaves signals to us, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
