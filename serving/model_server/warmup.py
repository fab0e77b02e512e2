"""Warm-up of a version before it answers: recorded requests where the model brings some, else blank rows."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.model_server import examples, predictions
from serving.model_server.statuses import Code, StatusError, invalid_argument
from serving.model_server.telemetry import Telemetry

if TYPE_CHECKING:
    from serving.model_server.servable import Servable

WARM_UP_FILE: Final = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS: Final = 1000


def warm_up(servable: "Servable", folder: Path, iterations: int, check: bool, telemetry: Telemetry) -> None:
    """Runs the version's own warm-up requests.

    Args:
        servable: the version, not published yet.
        folder: where its SavedModel lies.
        iterations: how often each record runs.
        check: whether classify and regress want signatures made for them.
        telemetry: gets the time it took.

    Raises:
        StatusError: a record cannot be read or answered, or there are too many: the version must not be served.
    """
    path = folder / WARM_UP_FILE
    if not path.exists():
        servable.run_blank_rows()
        return
    started, code = time.perf_counter(), Code.INTERNAL
    try:
        for record in _read(path):
            for _ in range(max(1, iterations)):
                _replay(servable, record, check)
        code = Code.OK
    except StatusError as error:
        code = error.code
        raise
    finally:
        telemetry.observe_warm_up(str(folder), code, time.perf_counter() - started)


def _read(path: Path) -> Iterator[PredictionLog]:
    try:
        for number, record in enumerate(tf.compat.v1.io.tf_record_iterator(str(path)), 1):
            if number > MAX_RECORDS:
                raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
            yield _parse(path, number, record)
    except tf.errors.OpError as error:
        raise StatusError(Code(error.error_code), f"{path}: {error.message}") from None


def _parse(path: Path, number: int, record: bytes) -> PredictionLog:
    try:
        return PredictionLog.FromString(record)
    except DecodeError:
        raise invalid_argument(f"Failed to parse warmup record: {path}, record {number}") from None


def _replay(servable: "Servable", record: PredictionLog, check: bool) -> None:
    match record.WhichOneof("log_type"):
        case "predict_log":
            predictions.predict(servable, record.predict_log.request, servable.run)
        case "classify_log":
            _replay_examples(servable, record.classify_log.request, examples.classify, check)
        case "regress_log":
            _replay_examples(servable, record.regress_log.request, examples.regress, check)
        case "multi_inference_log":
            examples.infer(servable, record.multi_inference_log.request, servable.run, check)
        case kind:
            raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")


def _replay_examples(servable: "Servable", request: Any, method: Callable[..., object], check: bool) -> None:
    spec: ModelSpec = request.model_spec
    method(servable, spec, request.input, servable.run, check)
