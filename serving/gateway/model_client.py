"""Asks the model server over gRPC."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import grpc
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from sazon.schema import (
    INPUT_TEXT,
    OUTPUT_SENTIMENT,
    OUTPUT_SENTIMENT_PROBS,
    OUTPUT_TASTE_PROBS,
    OUTPUT_TASTES,
    SENTIMENTS,
    TASTE_SEPARATOR,
    TASTES,
)
from serving.gateway.errors import ApiError

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
_DECIMALS: Final = 6


@dataclass(frozen=True)
class Prediction:
    """What the model says about one text."""

    text: str
    sentiment: str
    sentiment_probs: dict[str, float]
    tastes: list[str]
    taste_probs: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """The prediction as the API shows it."""
        return asdict(self)


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
        request = PredictRequest()
        request.model_spec.name = self._model_name
        tensor = request.inputs[INPUT_TEXT]
        tensor.dtype = types_pb2.DT_STRING
        tensor.tensor_shape.dim.add(size=len(texts))
        tensor.string_val.extend(text.encode() for text in texts)
        try:
            response = self._prediction.Predict(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise _as_api_error(error) from error
        return str(response.model_spec.version.value), read_predictions(texts, response)

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


def read_predictions(texts: Sequence[str], response: PredictResponse) -> list[Prediction]:
    """Reads the signature's outputs, each with one entry or row per text.

    Raises:
        ApiError: 500, the model answers in another signature.
    """
    outputs = response.outputs
    sentiments = [value.decode() for value in outputs[OUTPUT_SENTIMENT].string_val]
    tastes = [value.decode() for value in outputs[OUTPUT_TASTES].string_val]
    sentiment_probs = list(outputs[OUTPUT_SENTIMENT_PROBS].float_val)
    taste_probs = list(outputs[OUTPUT_TASTE_PROBS].float_val)
    sizes = (len(sentiments), len(tastes), len(sentiment_probs), len(taste_probs))
    if sizes != (len(texts), len(texts), len(texts) * len(SENTIMENTS), len(texts) * len(TASTES)):
        raise ApiError(500, "bad_model_answer", "the model's answer does not have the expected signature")
    return [
        Prediction(
            text,
            sentiments[row],
            _named(SENTIMENTS, sentiment_probs, row),
            [label for label in tastes[row].split(TASTE_SEPARATOR) if label],
            _named(TASTES, taste_probs, row),
        )
        for row, text in enumerate(texts)
    ]


def _named(labels: Sequence[str], values: Sequence[float], row: int) -> dict[str, float]:
    start = row * len(labels)
    return {label: round(values[start + place], _DECIMALS) for place, label in enumerate(labels)}


def _as_api_error(error: grpc.RpcError) -> ApiError:
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ApiError(504, "model_timeout", "the model server did not answer in time; try again")
    if code in _UNAVAILABLE:
        return ApiError(503, "model_unavailable", "the model server cannot be reached or has no model; try again soon")
    return ApiError(500, "model_failed", "the model server failed on this request")
