"""The server process: loads the newest version, opens both ports, follows the directory, stops on a signal."""

import asyncio
import gc
import logging
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from sazon.logging import get_logger
from sazon.quiet import quiet_libraries
from serving.model_server.telemetry import Telemetry
from serving.model_server.versions import Versions
from serving.model_server.watcher import RetryPolicy, VersionWatcher

GRACE_S: Final = 10

_log = get_logger("model_server")


@dataclass(frozen=True)
class ServerOptions:
    """What to serve, and where; port 0 is any free port."""

    model_name: str
    model_base_path: Path
    host: str
    rest_port: int
    grpc_port: int
    poll_s: float = 1.0
    intra_op_threads: int = 1
    workers: int | None = None
    retries: RetryPolicy = field(default_factory=RetryPolicy)


def run(model_name: str, model_base_path: Path, host: str, rest_port: int, grpc_port: int, poll_s: float = 1.0) -> None:
    """Serves a model until SIGTERM or SIGINT; logs one line once it answers.

    Args:
        model_name: the name clients use.
        model_base_path: holds `<version>/saved_model.pb`; the greatest number is served.
        host: address of both ports.
        rest_port: HTTP; 0 for any free port.
        grpc_port: gRPC; 0 for any free port.
        poll_s: seconds between two looks at the directory.

    Raises:
        ServingError: the only version there is cannot be loaded, or a port is taken.
    """
    serve(ServerOptions(model_name, model_base_path, host, rest_port, grpc_port, poll_s))


def serve(options: ServerOptions) -> None:
    """`run` with every option."""
    import uvloop

    uvloop.run(_serve(options))


async def _serve(options: ServerOptions) -> None:
    stop, stopping = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def request_stop() -> None:
        stop.set()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, request_stop)
    versions = Versions(options.model_name)
    watcher = await asyncio.to_thread(_make_watcher, options, versions)
    await asyncio.to_thread(watcher.load_first, stopping)
    if stopping.is_set():
        return
    following = threading.Thread(target=watcher.follow, args=(stopping,), name="versions", daemon=True)
    following.start()
    try:
        await _answer(options, versions, stop)
    finally:
        stopping.set()
    _log.info("model server stopped")


async def _answer(options: ServerOptions, versions: Versions, stop: asyncio.Event) -> None:
    from serving.model_server.listeners import GrpcListener, RestListener
    from serving.model_server.predictor import Predictor
    from serving.model_server.rest import RestApp
    from serving.model_server.rpc import RpcServices

    telemetry = Telemetry(options.model_name)
    predictor = Predictor(versions, telemetry)
    count = options.workers or max(2, os.cpu_count() or 1)
    with ThreadPoolExecutor(count, thread_name_prefix="predict") as workers:
        rest = RestListener(RestApp(versions, predictor, telemetry, workers), options.host, options.rest_port)
        rpc = GrpcListener(RpcServices(versions, predictor, workers).handlers(), options.host, options.grpc_port)
        try:
            await rest.start()
            await rpc.start()
            _log.info(
                "model server ready: REST %s, gRPC %s, model %s version %s",
                rest.address,
                rpc.address,
                options.model_name,
                max(versions.loaded(), default="none"),
            )
            await stop.wait()
        finally:
            await asyncio.gather(rest.stop(GRACE_S), rpc.stop(GRACE_S))


def _make_watcher(options: ServerOptions, versions: Versions) -> VersionWatcher:
    quiet_libraries()
    import tensorflow as tf

    from serving.model_server.servable import Servable

    tf.get_logger().setLevel(logging.ERROR)
    # TensorFlow's modules hold a million objects that never die; a collection that walks them stalls requests.
    gc.collect()
    gc.freeze()
    load = partial(Servable, intra_op_threads=options.intra_op_threads)
    return VersionWatcher(options.model_base_path, versions, load, options.poll_s, options.retries)
