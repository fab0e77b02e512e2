"""Runs the gateway under waitress."""

import os
import signal
from types import FrameType

from waitress.server import create_server

from sazon.errors import ServingError
from sazon.logging import get_logger
from serving.gateway.app import create_app
from serving.gateway.config import GatewayConfig

_log = get_logger("gateway")


def run(config: GatewayConfig, host: str, port: int, threads: int = 8) -> None:
    """Serves until SIGTERM or SIGINT; requests in flight finish.

    Args:
        config: what to serve.
        host: address to listen on.
        port: 0 for any free port; the log line names it.
        threads: requests answered at once.

    Raises:
        ServingError: the port is taken.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    app = create_app(config)
    try:
        server = create_server(app, host=host, port=port, threads=threads, ident=None)
    except OSError as error:
        raise ServingError(f"the gateway cannot listen on {host}:{port}: {error.strerror}; choose another") from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    _log.info("gateway ready: http://%s:%s, model at %s", host, server.effective_port, config.model_grpc)
    # Ends on SystemExit, after the worker threads have finished.
    server.run()
    _log.info("gateway stopped")


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
