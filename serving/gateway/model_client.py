"""Asks the model server over gRPC."""

import json
from collections.abc import Sequence
from typing import Final

import grpc

from sazon.schema import CONTEXTUAL_SIGNATURE, EXPLANATION_SIGNATURE, INPUT_CONTEXT, INPUT_TEXT
from serving.gateway.call_errors import MISSING_SIGNATURE, ModelError, as_model_error
from serving.gateway.explanations import Explanation, read_explanations
from serving.gateway.predictions import Prediction, read_predictions
from serving.gateway.protocol import (
    DT_FLOAT,
    DT_STRING,
    GetModelStatusRequest,
    ModelServiceStub,
    ModelVersionStatus,
    PredictionServiceStub,
    PredictRequest,
    PredictResponse,
)

# gRPC itself retries what certainly did not run, within the deadline and with jitter; when most calls fail, it stops.
_SERVICE: Final = {
    # A name may lead to several replicas (a headless Service): calls go round those that answer.
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
}
_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A model server that restarts is found again within a second, not within gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.service_config", json.dumps(_SERVICE)),
)


class ModelClient:
    """One channel to the model server, shared by all threads."""

    def __init__(self, address: str, model_name: str) -> None:
        self._model_name = model_name
        self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._prediction = PredictionServiceStub(self._channel)
        self._model = ModelServiceStub(self._channel)
        self._latest, self._text_only = 0, set[int]()

    def may_read_context(self, version: int | None) -> bool:
        """Whether that version (None: the latest) is not known to read texts alone."""
        return (version or self._latest) not in self._text_only

    def predict(
        self, texts: Sequence[str], context: Sequence[float] | None, version: int | None, timeout_s: float
    ) -> tuple[int, list[Prediction]]:
        """Predicts a batch.

        Args:
            texts: what was written.
            context: (features,) of all texts, in the order of `data.context.CONTEXT`, NaN where unknown; a version that
                reads texts alone answers without it.
            version: who is asked; None for the latest.
            timeout_s: for the whole call.

        Returns:
            The version that answered, and one prediction per text.

        Raises:
            ModelError: 429, 503 or 504, the model server is overloaded, away, without that version, or too slow;
                500, it failed.
        """
        if context is None or not self.may_read_context(version):
            response = self._run(texts, version, timeout_s)
        else:
            response = self._run_in_context(texts, context, version, timeout_s)
        answered = response.model_spec.version.value
        if version is None:
            self._latest = answered
        return answered, read_predictions(texts, response)

    def explain(self, texts: Sequence[str], version: int | None, timeout_s: float) -> tuple[int, list[Explanation]]:
        """Asks what each word did for the sentiment.

        Returns:
            The version that answered, and one explanation per text.

        Raises:
            ModelError: 501, the version cannot explain; else as `predict`.
        """
        response = self._run(texts, version, timeout_s, EXPLANATION_SIGNATURE)
        return response.model_spec.version.value, read_explanations(texts, response)

    def available_version(self, timeout_s: float) -> int:
        """The newest version that answers requests.

        Raises:
            ModelError: 503 or 504, there is none.
        """
        request = GetModelStatusRequest()
        request.model_spec.name = self._model_name
        try:
            response = self._model.GetModelStatus(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise as_model_error(error) from error
        available = [
            status.version for status in response.model_version_status if status.state == ModelVersionStatus.AVAILABLE
        ]
        if not available:
            raise ModelError(503, "model_unavailable", f"no version of model {self._model_name} is available")
        return max(available)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _run_in_context(
        self, texts: Sequence[str], context: Sequence[float], version: int | None, timeout_s: float
    ) -> PredictResponse:
        try:
            return self._run(texts, version, timeout_s, CONTEXTUAL_SIGNATURE, context)
        except ModelError as error:
            if error.status != MISSING_SIGNATURE:
                raise
        response = self._run(texts, version, timeout_s)
        self._text_only.add(response.model_spec.version.value)
        return response

    def _run(
        self,
        texts: Sequence[str],
        version: int | None,
        timeout_s: float,
        signature: str = "",
        context: Sequence[float] | None = None,
    ) -> PredictResponse:
        request = PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._model_name, signature
        if version is not None:
            request.model_spec.version.value = version
        tensor = request.inputs[INPUT_TEXT]
        tensor.dtype = DT_STRING
        tensor.tensor_shape.dim.add(size=len(texts))
        tensor.string_val.extend(text.encode() for text in texts)
        if context is not None:
            known = request.inputs[INPUT_CONTEXT]
            known.dtype = DT_FLOAT
            for size in (len(texts), len(context)):
                known.tensor_shape.dim.add(size=size)
            known.float_val.extend([*context] * len(texts))
        try:
            return self._prediction.Predict(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise as_model_error(error) from error
