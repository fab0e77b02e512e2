"""The gRPC services: PredictionService, ModelService and the health service."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest, ClassificationResponse
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, GetModelMetadataResponse
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest, ReloadConfigResponse
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from sazon.logging import get_logger
from serving.model_server.catalogue import Catalogue
from serving.model_server.configurator import Configurator
from serving.model_server.descriptions import describe_model, describe_statuses, read_target
from serving.model_server.health import health_handler
from serving.model_server.intake import Intake
from serving.model_server.predictor import Predictor
from serving.model_server.statuses import StatusError, invalid_argument

Context: TypeAlias = grpc.aio.ServicerContext
Method: TypeAlias = Callable[[Any, Context], Awaitable[Any]]

_METADATA_FIELD: Final = "signature_def"
_PREDICTION, _MODEL = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"
_MAX_DETAIL_BYTES: Final = 2000
"""Clients refuse an answer whose trailers are over 8 kB, and a byte may take three there."""
_log = get_logger("model_server")


class RpcServices:
    """Answers the services' calls; the model runs on `workers`, off the event loop."""

    def __init__(
        self,
        catalogue: Catalogue,
        predictor: Predictor,
        configurator: Configurator,
        workers: Executor,
        intake: Intake,
    ) -> None:
        self._catalogue, self._predictor, self._configurator = catalogue, predictor, configurator
        self._workers, self._intake = workers, intake

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Routes of all services."""
        prediction = {
            "Predict": self._unary(self._predict, PredictRequest),
            "Classify": self._unary(self._classify, ClassificationRequest),
            "Regress": self._unary(self._regress, RegressionRequest),
            "MultiInference": self._unary(self._multi_inference, MultiInferenceRequest),
            "GetModelMetadata": self._unary(self._metadata, GetModelMetadataRequest),
        }
        model = {
            "GetModelStatus": self._unary(self._status, GetModelStatusRequest),
            "HandleReloadConfigRequest": self._unary(self._reload, ReloadConfigRequest),
        }
        return (
            grpc.method_handlers_generic_handler(_PREDICTION, prediction),
            grpc.method_handlers_generic_handler(_MODEL, model),
            health_handler((_PREDICTION, _MODEL), self._is_serving),
        )

    async def _predict(self, request: PredictRequest, context: Context) -> PredictResponse:
        return await self._run(self._predictor.predict, request, context)

    async def _classify(self, request: ClassificationRequest, context: Context) -> ClassificationResponse:
        return await self._run(self._predictor.classify, request, context)

    async def _regress(self, request: RegressionRequest, context: Context) -> RegressionResponse:
        return await self._run(self._predictor.regress, request, context)

    async def _multi_inference(self, request: MultiInferenceRequest, context: Context) -> MultiInferenceResponse:
        return await self._run(self._predictor.infer, request, context)

    async def _run(self, method: Callable[[Any, float | None], Any], request: Any, context: Context) -> Any:
        remaining_s = context.time_remaining()
        deadline_at = None if remaining_s is None else time.monotonic() + remaining_s
        return await asyncio.get_running_loop().run_in_executor(self._workers, method, request, deadline_at)

    async def _metadata(self, request: GetModelMetadataRequest, _: Context) -> GetModelMetadataResponse:
        target = read_target(request)
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _METADATA_FIELD:
                raise invalid_argument(f"Metadata field {field} is not supported")
        return describe_model(self._catalogue, target)

    async def _status(self, request: GetModelStatusRequest, _: Context) -> GetModelStatusResponse:
        return describe_statuses(self._catalogue, read_target(request))

    async def _reload(self, request: ReloadConfigRequest, _: Context) -> ReloadConfigResponse:
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        caller_gone = threading.Event()
        try:
            await asyncio.to_thread(self._configurator.apply, request.config, caller_gone.is_set)
        finally:
            caller_gone.set()
        return ReloadConfigResponse(status={})

    def _is_serving(self) -> bool:
        return not self._intake.closed and self._configurator.all_available()

    def _unary(self, method: Method, request_type: Any) -> grpc.RpcMethodHandler:
        async def answer(request: bytes, context: Context) -> Any:
            try:
                with self._intake.admit():
                    return await method(_parse(request, request_type), context)
            except StatusError as error:
                await context.abort(grpc.StatusCode[error.code.name], _cut(error.message))
            except Exception:
                _log.exception("a gRPC call failed")
                await context.abort(grpc.StatusCode.INTERNAL, "internal error; the server's log has the details")

        return grpc.unary_unary_rpc_method_handler(
            answer, response_serializer=lambda message: message.SerializeToString()
        )


def _parse(data: bytes, kind: Any) -> Any:
    """The answer of gRPC itself to such bytes would be INTERNAL, as if the fault were ours."""
    try:
        return kind.FromString(data)
    except DecodeError:
        raise invalid_argument(f"The request is no {kind.DESCRIPTOR.full_name} message") from None


def _cut(message: str) -> str:
    data = message.encode("utf-8", "replace")
    return message if len(data) <= _MAX_DETAIL_BYTES else f"{data[:_MAX_DETAIL_BYTES].decode('utf-8', 'ignore')}…"
