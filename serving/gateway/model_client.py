"""Asks the model server over gRPC."""

from collections.abc import Sequence
from typing import Final

import grpc
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from sazon.schema import EXPLANATION_SIGNATURE, INPUT_TEXT
from serving.gateway.errors import ApiError
from serving.gateway.explanations import Explanation, read_explanations
from serving.gateway.predictions import Prediction, read_predictions

_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A model server that restarts is found again within a second, not within gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_UNAVAILABLE: Final = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    # Something else listens at that address.
    grpc.StatusCode.UNIMPLEMENTED,
)


class ModelClient:
    """One channel to the model server, shared by all threads."""

    def __init__(self, address: str, model_name: str, timeout_s: float) -> None:
        self._model_name, self._timeout_s = model_name, timeout_s
        self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, texts: Sequence[str]) -> tuple[str, list[Prediction]]:
        """Predicts a batch.

        Returns:
            The version that answered, and one prediction per text.

        Raises:
            ApiError: 503 or 504, the model server is away, without a model, or too slow; 500, it failed.
        """
        response = self._run(texts)
        return str(response.model_spec.version.value), read_predictions(texts, response)

    def explain(self, texts: Sequence[str]) -> tuple[str, list[Explanation]]:
        """Asks what each word did for the sentiment.

        Returns:
            The version that answered, and one explanation per text.

        Raises:
            ApiError: 501, the served version cannot explain; else as `predict`.
        """
        response = self._run(texts, EXPLANATION_SIGNATURE)
        return str(response.model_spec.version.value), read_explanations(texts, response)

    def available_version(self) -> str:
        """The newest version that answers requests.

        Raises:
            ApiError: 503 or 504, there is none.
        """
        request = GetModelStatusRequest()
        request.model_spec.name = self._model_name
        try:
            response = self._model.GetModelStatus(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise _as_api_error(error) from error
        available = [
            status.version for status in response.model_version_status if status.state == ModelVersionStatus.AVAILABLE
        ]
        if not available:
            raise ApiError(503, "model_unavailable", f"no version of model {self._model_name} is available")
        return str(max(available))

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _run(self, texts: Sequence[str], signature: str = "") -> PredictResponse:
        request = PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._model_name, signature
        tensor = request.inputs[INPUT_TEXT]
        tensor.dtype = types_pb2.DT_STRING
        tensor.tensor_shape.dim.add(size=len(texts))
        tensor.string_val.extend(text.encode() for text in texts)
        try:
            return self._prediction.Predict(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise _as_api_error(error) from error


def _as_api_error(error: grpc.RpcError) -> ApiError:
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ApiError(504, "model_timeout", "the model server did not answer in time; try again")
    # Servers differ in the status of an unknown signature, not in these words.
    if isinstance(error, grpc.Call) and f'"{EXPLANATION_SIGNATURE}" not found' in (error.details() or ""):
        message = "the served version of the model cannot explain itself; export it again and roll it out"
        return ApiError(501, "explanation_unavailable", message)
    if code in _UNAVAILABLE:
        return ApiError(503, "model_unavailable", "the model server cannot be reached or has no model; try again soon")
    return ApiError(500, "model_failed", "the model server failed on this request")
