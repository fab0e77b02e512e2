"""The two ports: HTTP by uvicorn, gRPC by grpc.aio."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import uvicorn

from sazon.errors import ServingError
from serving.model_server.rpc import SERVER_OPTIONS

KEEP_ALIVE_S = 75
"""Longer than the idle time of usual client pools, so that no request meets a closing connection."""


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
        bound = _bind(self._host, self._port)
        self._port = bound.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            loop="none",
            http="httptools",
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

    async def stop(self, grace_s: int) -> None:
        """Closes the port; requests in flight get `grace_s` to finish."""
        if self._server is not None and self._serving is not None:
            self._server.config.timeout_graceful_shutdown = grace_s
            self._server.should_exit = True
            await self._serving


class GrpcListener:
    """Serves gRPC handlers."""

    def __init__(self, handlers: Sequence[grpc.GenericRpcHandler], host: str, port: int) -> None:
        self._handlers, self._host, self._port = handlers, host, port
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        """`host:port` with the port that was really bound."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Opens the port.

        Raises:
            ServingError: the port is taken or the host is not ours.
        """
        server = grpc.aio.server(options=SERVER_OPTIONS)
        server.add_generic_rpc_handlers(tuple(self._handlers))
        try:
            self._port = server.add_insecure_port(self.address)
        except RuntimeError:
            raise ServingError(f"gRPC cannot listen on {self.address}: choose another port") from None
        await server.start()
        self._server = server

    async def stop(self, grace_s: int) -> None:
        """Closes the port; calls in flight get `grace_s` to finish."""
        if self._server is not None:
            await self._server.stop(grace_s)


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


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ServingError(f"REST cannot listen on {host}:{port}: {error.strerror}; choose another port") from None
    return bound
