"""Group grpc_predict."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.integration.model_server.requests import predict_request


def test_answers_in_typed_fields(server):
    response = server.prediction.Predict(predict_request(b"abc", b"\xff"), timeout=10)
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 1, "serving_default")
    assert list(response.outputs["label"].string_val) == [b"v1", b"v1"]
    assert list(response.outputs["copy_bytes"].string_val) == [b"abc", b"\xff"]
    assert response.outputs["score"].float_val[0] == 3.0
    assert tf.make_ndarray(response.outputs["score"]).shape == (2, 2)


def test_output_filter(server):
    request = predict_request(b"abc")
    request.output_filter.append("label")
    assert list(server.prediction.Predict(request, timeout=10).outputs) == ["label"]


def test_packed_tensors(server):
    a, b = np.array([1, 2], np.float32), np.array([3, 4], np.int32)
    response = server.prediction.Predict(predict_request(signature="add", a=a, b=b), timeout=10)
    assert list(response.outputs["y"].float_val) == [4.0, 6.0]


def test_every_type_survives(server):
    values = {
        "bool": np.array([True]),
        "float64": np.array([0.1]),
        "int64": np.array([2**62]),
        "uint8": np.array([200], np.uint8),
        "string": np.array([b"\x00"], object),
    }
    response = server.prediction.Predict(predict_request(signature="types", **values), timeout=10)
    for name, value in values.items():
        assert tf.make_ndarray(response.outputs[f"{name}_out"]).tolist() == value.tolist()


def test_one_value_may_fill_a_tensor(server):
    request = predict_request(signature="double", x=np.zeros((1, 1), np.float32))
    tensor = request.inputs["x"]
    tensor.Clear()
    tensor.dtype = tf.float32.as_datatype_enum
    tensor.tensor_shape.dim.add(size=2)
    tensor.tensor_shape.dim.add(size=3)
    tensor.float_val.append(1.5)
    assert list(server.prediction.Predict(request, timeout=10).outputs["y"].float_val) == [3.0] * 6


def change(request, edit):
    edit(request)
    return request


def rename(request) -> None:
    request.inputs["z"].CopyFrom(request.inputs["text"])


def shorten(request) -> None:
    request.inputs["text"].tensor_shape.dim[0].size = 5
    request.inputs["text"].ClearField("string_val")
    request.inputs["text"].tensor_content = b"abc"


@pytest.mark.parametrize(
    ("edit", "code", "message"),
    [
        (lambda request: request.ClearField("model_spec"), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            lambda request: request.model_spec.ClearField("name"),
            "INVALID_ARGUMENT",
            "ModelSpec has no name specified.",
        ),
        (
            lambda request: setattr(request.model_spec, "name", "x"),
            "NOT_FOUND",
            "Servable not found for request: Latest(x)",
        ),
        (
            lambda request: setattr(request.model_spec, "signature_name", "s"),
            "FAILED_PRECONDITION",
            'Serving signature key "s" not found.',
        ),
        (
            lambda request: setattr(request.model_spec, "version_label", "L"),
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: L",
        ),
        (
            rename,
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1 len({text,z}) != len({text}). Sent extra: {z}. "
            "Missing but required: {}.",
        ),
        (
            lambda request: request.output_filter.append("q"),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: q Outputs expected to be in the set {copy_bytes,label,score}.",
        ),
        (shorten, "INVALID_ARGUMENT", "tensor parsing error: text"),
    ],
)
def test_mistakes(server, edit, code, message):
    with pytest.raises(grpc.RpcError) as caught:
        server.prediction.Predict(change(predict_request(b"a"), edit), timeout=10)
    assert (caught.value.code().name, caught.value.details()) == (code, message)


def test_an_empty_request(server):
    with pytest.raises(grpc.RpcError) as caught:
        server.prediction.Predict(predict_pb2.PredictRequest(), timeout=10)
    assert caught.value.details() == "Missing ModelSpec"


def test_a_deadline_ends_the_call(server):
    with pytest.raises(grpc.RpcError) as caught:
        server.prediction.Predict(predict_request(signature="slow", steps=np.array([1500], np.int32)), timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
