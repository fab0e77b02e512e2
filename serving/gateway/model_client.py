"""Asks the model server over gRPC."""

from collections.abc import Sequence
from typing import Final

import grpc
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from sazon.schema import CONTEXTUAL_SIGNATURE, EXPLANATION_SIGNATURE, INPUT_CONTEXT, INPUT_TEXT
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
_NOT_IMPLEMENTED: Final = 501
_MISSING: Final = {
    EXPLANATION_SIGNATURE: (
        "explanation_unavailable",
        "the served version of the model cannot explain itself; export it again and roll it out",
    ),
    CONTEXTUAL_SIGNATURE: ("context_unavailable", "the served version of the model reads texts alone"),
}


class ModelClient:
    """One channel to the model server, shared by all threads."""

    def __init__(self, address: str, model_name: str, timeout_s: float) -> None:
        self._model_name, self._timeout_s = model_name, timeout_s
        self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._version, self._text_only = 0, set[int]()

    @property
    def may_read_context(self) -> bool:
        """Whether the version that answered last is not known to read texts alone."""
        return self._version not in self._text_only

    def predict(self, texts: Sequence[str], context: Sequence[float] | None = None) -> tuple[str, list[Prediction]]:
        """Predicts a batch.

        Args:
            texts: what was written.
            context: (features,) of all texts, in the order of `data.context.CONTEXT`, NaN where unknown; a version that
                reads texts alone answers without it.

        Returns:
            The version that answered, and one prediction per text.

        Raises:
            ApiError: 503 or 504, the model server is away, without a model, or too slow; 500, it failed.
        """
        response = self._run(texts) if context is None else self._run_in_context(texts, context)
        self._version = response.model_spec.version.value
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

    def _run_in_context(self, texts: Sequence[str], context: Sequence[float]) -> PredictResponse:
        try:
            return self._run(texts, CONTEXTUAL_SIGNATURE, context)
        except ApiError as error:
            if error.status != _NOT_IMPLEMENTED:
                raise
        response = self._run(texts)
        self._text_only.add(response.model_spec.version.value)
        return response

    def _run(
        self, texts: Sequence[str], signature: str = "", context: Sequence[float] | None = None
    ) -> PredictResponse:
        request = PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._model_name, signature
        tensor = request.inputs[INPUT_TEXT]
        tensor.dtype = types_pb2.DT_STRING
        tensor.tensor_shape.dim.add(size=len(texts))
        tensor.string_val.extend(text.encode() for text in texts)
        if context is not None:
            known = request.inputs[INPUT_CONTEXT]
            known.dtype = types_pb2.DT_FLOAT
            for size in (len(texts), len(context)):
                known.tensor_shape.dim.add(size=size)
            known.float_val.extend([*context] * len(texts))
        try:
            return self._prediction.Predict(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise _as_api_error(error) from error


def _as_api_error(error: grpc.RpcError) -> ApiError:
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ApiError(504, "model_timeout", "the model server did not answer in time; try again")
    # Servers differ in the status of an unknown signature, not in these words.
    details = (error.details() or "") if isinstance(error, grpc.Call) else ""
    for signature, (name, message) in _MISSING.items():
        if f'"{signature}" not found' in details:
            return ApiError(_NOT_IMPLEMENTED, name, message)
    if code in _UNAVAILABLE:
        return ApiError(503, "model_unavailable", "the model server cannot be reached or has no model; try again soon")
    return ApiError(500, "model_failed", "the model server failed on this request")
