"""The server process: loads the models, opens both ports, follows directories and files, stops on a signal."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from sazon.errors import ServingError
from sazon.logging import get_logger
from serving.model_server.catalogue import Catalogue
from serving.model_server.configurator import Configurator
from serving.model_server.intake import Intake
from serving.model_server.options import ServerOptions
from serving.model_server.statuses import StatusError
from serving.model_server.telemetry import Telemetry

if TYPE_CHECKING:
    from serving.model_server.predictor import Predictor
    from serving.model_server.servable import Servable

GRACE_S: Final = 10.0
"""Requests in flight get so long when the server is to stop."""
BATCHING_WORKERS: Final = 256
"""With batching, a request holds its thread while it waits for others."""

_log = get_logger("model_server")


def serve(options: ServerOptions) -> NoReturn:
    """Serves until SIGTERM or SIGINT, then ends the process; logs one line once it answers.

    Raises:
        ServingError: the configuration is wrong, a model cannot be loaded, or a port is taken.
    """
    import uvloop

    if unfinished := uvloop.run(_serve(options)):
        _log.warning("%d requests did not finish within %g s and were cut off", unfinished, GRACE_S)
    logging.shutdown()
    os._exit(0)  # runs that were given up, and TensorFlow's own threads, would hold up the interpreter's end


async def _serve(options: ServerOptions) -> int:
    stop, stopping = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def request_stop() -> None:
        stop.set()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, request_stop)
    telemetry, catalogue = Telemetry(), Catalogue()
    load = await asyncio.to_thread(_make_loader, options, telemetry)
    configurator = Configurator(
        catalogue, load, stopping, options.poll_s, options.first_retries, options.allow_unavailable_labels
    )
    try:
        await asyncio.to_thread(configurator.apply, options.models, stopping.is_set)
        configurator.use_retries(options.retries)
        if options.config_file and options.config_poll_s > 0:
            configurator.follow_file(options.config_file, options.config_poll_s)
        return await _answer(options, catalogue, configurator, telemetry, stop)
    except StatusError as error:
        if stop.is_set():
            return 0
        raise ServingError(f"cannot start: {error.message}") from None
    finally:
        stopping.set()
        _log.info("model server stopped")


async def _answer(
    options: ServerOptions,
    catalogue: Catalogue,
    configurator: Configurator,
    telemetry: Telemetry,
    stop: asyncio.Event,
) -> int:
    from serving.model_server.listeners import GrpcListener, RestListener
    from serving.model_server.rest import RestApp
    from serving.model_server.rpc import RpcServices

    predictor, intake = _make_predictor(options, catalogue, telemetry), Intake()
    count = BATCHING_WORKERS if options.batching else options.workers
    workers = ThreadPoolExecutor(count, thread_name_prefix="predict")
    listen = options.listen
    rest = RestListener(
        RestApp(catalogue, predictor, telemetry, workers, intake, listen), listen.host, listen.rest_port
    )
    rpc = GrpcListener(RpcServices(catalogue, predictor, configurator, workers, intake).handlers(), listen)
    unfinished = 0
    try:
        await rest.start()
        await rpc.start()
        _log.info("model server ready: REST %s, gRPC %s, %s", rest.address, rpc.address, catalogue.summary())
        await stop.wait()
        unfinished = await intake.drain(GRACE_S)
    finally:
        await asyncio.gather(rest.stop(), rpc.stop())
        workers.shutdown(wait=False, cancel_futures=True)
    return unfinished


def _make_predictor(options: ServerOptions, catalogue: Catalogue, telemetry: Telemetry) -> "Predictor":
    from serving.model_server.batching import Batcher
    from serving.model_server.predictor import Predictor

    batcher = Batcher(options.batching, telemetry) if options.batching else None
    return Predictor(catalogue, telemetry, options.check_method_names, batcher)


def _make_loader(options: ServerOptions, telemetry: Telemetry) -> "Callable[[str, Path, int], Servable]":
    from serving.model_server.runtime import import_tensorflow

    import_tensorflow()
    from serving.model_server.servable import Servable
    from serving.model_server.warmup import warm_up

    def load(model_name: str, folder: Path, version: int) -> Servable:
        servable = Servable(folder, version, options.session)
        try:
            if options.session.warm_up:
                warm_up(servable, folder, options.session.warm_up_iterations, options.check_method_names, telemetry)
        except BaseException:
            servable.close()
            raise
        return servable

    return load
