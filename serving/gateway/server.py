"""Runs the gateway in one process, under waitress."""

import signal
import time
from types import FrameType
from typing import Any, Final

from waitress import wasyncore
from waitress.server import create_server

from sazon.logging import get_logger
from sazon.quiet import quiet_libraries
from serving.gateway.admission import EXTENSION
from serving.gateway.app import MAX_BODY_BYTES, create_app
from serving.gateway.config import GatewayConfig
from serving.gateway.listening import GRACE_S, favour_the_loop
from serving.gateway.waitress_queue import Channel, Dispatcher
from serving.sockets import bind

# Above the application's own limit, whose error is JSON; waitress' is not.
_BUFFERED_BYTES: Final = 16 * MAX_BODY_BYTES

# Idle ones count; one more than these is not even refused.
_CONNECTIONS: Final = 10_000

_log = get_logger("gateway")


def run(config: GatewayConfig, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT; requests in flight get ten seconds to finish.

    Args:
        config: what to serve.
        host: address to listen on.
        port: 0 for any free port; the log line names it.

    Raises:
        ServingError: the port is taken.
    """
    quiet_libraries()
    favour_the_loop()
    stop = _StopFlag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.set)
    bound = bind(host, port, "the gateway")
    app = create_app(config)
    server: Any = create_server(
        app,
        _dispatcher=Dispatcher(app.extensions[EXTENSION]),
        sockets=[bound],
        ident=None,
        max_request_body_size=_BUFFERED_BYTES,
        connection_limit=_CONNECTIONS,
    )
    server.channel_class = Channel
    _log.info("gateway ready: http://%s:%s, model at %s", host, bound.getsockname()[1], config.model_grpc)
    while not stop.is_set:
        wasyncore.loop(timeout=0.5, use_poll=True, map=server._map, count=1)
    _drain(server)
    _log.info("gateway stopped")


class _StopFlag:
    def __init__(self) -> None:
        self.is_set = False

    def set(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True


def _drain(server: Any) -> None:
    """Waitress on its own drops the answers of requests that are in flight when it is told to stop."""
    server.accepting = False
    server.del_channel()
    server.socket.close()
    give_up_at = time.monotonic() + GRACE_S
    while _is_busy(server) and time.monotonic() < give_up_at:
        wasyncore.loop(timeout=0.05, use_poll=True, map=server._map, count=1)
    server.task_dispatcher.shutdown(timeout=1)


def _is_busy(server: Any) -> bool:
    return any(channel.requests or channel.total_outbufs_len for channel in server.active_channels.values())
