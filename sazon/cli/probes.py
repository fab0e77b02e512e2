"""One question to each way in: model server REST and gRPC, gateway, metrics."""

import json
import urllib.request
from typing import Any

from sazon.schema import (
    INPUT_TEXT,
    MODEL_NAME,
    OUTPUT_SENTIMENT,
    OUTPUT_SENTIMENT_PROBS,
    OUTPUT_TASTE_PROBS,
    OUTPUT_TASTES,
)

_TIMEOUT_S = 30.0
_SHOWN_METRICS = ("sazon_gateway_requests_total", "sazon_gateway_inference_duration_seconds_count")


def predict_rest(server: str, text: str) -> dict[str, Any]:
    """TensorFlow Serving's REST predict; the first prediction."""
    answer = _post(f"{server}/v1/models/{MODEL_NAME}:predict", {"instances": [{INPUT_TEXT: text}]})
    prediction: dict[str, Any] = answer["predictions"][0]
    return prediction


def predict_gateway(gateway: str, text: str, product: str, region: str) -> dict[str, Any]:
    """The gateway's answer, with the features of a product in a region."""
    return _post(f"{gateway}/api/v1/predict", {"text": text, "product": product, "region": region})


def predict_grpc(server: str, text: str) -> dict[str, Any]:
    """TensorFlow Serving's gRPC Predict, by the official stubs; in the form of the REST answer."""
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL_NAME
    request.inputs[INPUT_TEXT].dtype = 7  # DT_STRING
    request.inputs[INPUT_TEXT].tensor_shape.dim.add(size=1)
    request.inputs[INPUT_TEXT].string_val.append(text.encode())
    with grpc.insecure_channel(server) as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=_TIMEOUT_S)
    outputs = answer.outputs
    return {
        OUTPUT_SENTIMENT: outputs[OUTPUT_SENTIMENT].string_val[0].decode(),
        OUTPUT_SENTIMENT_PROBS: list(outputs[OUTPUT_SENTIMENT_PROBS].float_val),
        OUTPUT_TASTES: outputs[OUTPUT_TASTES].string_val[0].decode(),
        OUTPUT_TASTE_PROBS: list(outputs[OUTPUT_TASTE_PROBS].float_val),
    }


def read_metrics(gateway: str) -> dict[str, float]:
    """Request and inference counts from the Prometheus text of the gateway."""
    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(f"{gateway}/metrics", timeout=_TIMEOUT_S) as response:
        text = response.read().decode()
    return {
        f"{sample.name}{json.dumps(sample.labels, sort_keys=True)}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in _SHOWN_METRICS
    }


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
