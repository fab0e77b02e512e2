"""Runs the gateway in several processes, under gunicorn, with metrics of all of them at each `/metrics`."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from sazon.logging import get_logger
from sazon.quiet import quiet_libraries
from serving.gateway.config import GatewayConfig
from serving.gateway.listening import GRACE_S, SPARE_THREADS
from serving.gateway.malformed import write_gunicorn_error
from serving.sockets import bind

_SHARED_METRICS: Final = "PROMETHEUS_MULTIPROC_DIR"

_BACKLOG: Final = 1024

_log = get_logger("gateway")


def run_workers(
    make_config: Callable[[], GatewayConfig], host: str, port: int, workers: int, max_in_flight: int
) -> None:
    """Serves until SIGTERM or SIGINT; requests in flight get ten seconds to finish.

    Args:
        make_config: what to serve; called in each worker, as connections do not survive a fork.
        host: address to listen on.
        port: 0 for any free port; the log line names it.
        workers: processes.
        max_in_flight: as in the configuration.

    Raises:
        ServingError: the port is taken.
    """
    quiet_libraries()
    bound = bind(host, port, "the gateway")
    bound.listen(_BACKLOG)
    shared = Path(tempfile.mkdtemp(prefix="sazon-gateway-metrics."))
    os.environ[_SHARED_METRICS] = str(shared)  # read by prometheus_client when it is imported
    url = f"http://{host}:{bound.getsockname()[1]}"
    options = {
        "bind": f"fd://{bound.fileno()}",
        "workers": workers,
        "worker_class": "serving.gateway.gunicorn_worker.Worker",
        "threads": max_in_flight + SPARE_THREADS,
        "graceful_timeout": int(GRACE_S),
        "loglevel": "warning",
        "control_socket_disable": True,
        "when_ready": lambda _arbiter: _log.info("gateway ready: %s, %s workers", url, workers),
        "child_exit": _forget_worker,
        "on_exit": lambda _arbiter: shutil.rmtree(shared, ignore_errors=True),
    }
    util.write_error = write_gunicorn_error
    _Gateway(lambda: replace(make_config(), multiprocess=shared), options).run()


class _Gateway(BaseApplication):
    """What gunicorn asks for its settings and, in each worker, for the application."""

    def __init__(self, make_config: Callable[[], GatewayConfig], options: dict[str, Any]) -> None:
        self._make_config, self._options = make_config, options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from serving.gateway.app import create_app

        return create_app(self._make_config())


def _forget_worker(_arbiter: Any, worker: Any) -> None:
    """A dead worker's counts stay, its gauges go."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
