"""The gRPC services: PredictionService (Predict, GetModelMetadata) and ModelService (GetModelStatus)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, Final, TypeAlias

import grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, GetModelMetadataResponse
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from sazon.logging import get_logger
from serving.model_server.descriptions import describe_model, describe_statuses, read_target
from serving.model_server.predictor import Predictor
from serving.model_server.statuses import StatusError, invalid_argument
from serving.model_server.versions import Versions

SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 2**31 - 1),
    ("grpc.max_send_message_length", 2**31 - 1),
    # A second server on the same port must fail, not share its requests.
    ("grpc.so_reuseport", 0),
)

Context: TypeAlias = grpc.aio.ServicerContext

_METADATA_FIELD: Final = "signature_def"
_log = get_logger("model_server")


class RpcServices:
    """Answers the services' calls; the model runs on `workers`, off the event loop."""

    def __init__(self, versions: Versions, predictor: Predictor, workers: Executor) -> None:
        self._versions, self._predictor, self._workers = versions, predictor, workers

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Routes of both services; their other methods answer UNIMPLEMENTED."""
        prediction = {
            "Predict": _unary(self._predict, PredictRequest),
            "GetModelMetadata": _unary(self._metadata, GetModelMetadataRequest),
        }
        model = {"GetModelStatus": _unary(self._status, GetModelStatusRequest)}
        return (
            grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", prediction),
            grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", model),
        )

    async def _predict(self, request: PredictRequest, context: Context) -> PredictResponse:
        remaining_s = context.time_remaining()
        deadline_at = None if remaining_s is None else time.monotonic() + remaining_s
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, self._predictor.predict_proto, request, deadline_at)

    async def _metadata(self, request: GetModelMetadataRequest, _: Context) -> GetModelMetadataResponse:
        target = read_target(request)
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _METADATA_FIELD:
                raise invalid_argument(f"Metadata field {field} is not supported")
        return describe_model(self._versions, target)

    async def _status(self, request: GetModelStatusRequest, _: Context) -> GetModelStatusResponse:
        return describe_statuses(self._versions, read_target(request))


def _unary(method: Callable[[Any, Context], Awaitable[Any]], request_type: Any) -> grpc.RpcMethodHandler:
    async def answer(request: Any, context: Context) -> Any:
        try:
            return await method(request, context)
        except StatusError as error:
            await context.abort(grpc.StatusCode[error.code.name], error.message)
        except Exception:
            _log.exception("a gRPC call failed")
            await context.abort(grpc.StatusCode.INTERNAL, "internal error; the server's log has the details")

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=request_type.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
