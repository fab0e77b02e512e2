"""Bad gRPC: bytes that are no message, specs, tensors, tasks and configurations that cannot be answered."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
)

from tests.integration.model_server.bad_cases import CLOSED, MESSAGE_LIMIT, Case, call, grpc_bytes
from tests.integration.model_server.requests import example_input, predict_request, reload_request

REFUSED = ("INVALID_ARGUMENT",)
METHODS = (
    "PredictionService/Predict",
    "PredictionService/Classify",
    "PredictionService/Regress",
    "PredictionService/MultiInference",
    "PredictionService/GetModelMetadata",
    "ModelService/GetModelStatus",
    "ModelService/HandleReloadConfigRequest",
)
PREDICT, CLASSIFY, REGRESS, MULTI, METADATA, STATUS, RELOAD = METHODS

GARBAGE = {
    "nothing": b"",
    "bytes": bytes(range(256)),
    "cut off": b"\x0a\x7f" + b"a" * 10,
    "no end of a number": b"\xff" * 20,
    "a name that is no UTF-8": b"\x0a\x03\x0a\x01\xff",
    "another wire type": b"\x0d\x00\x00\x00\x00" + b"\x0b" * 50,
    "groups without end": b"\x0b" * 10_000,
}

STRING, FLOAT = tf.string.as_datatype_enum, tf.float32.as_datatype_enum
HUGE = 2**62


def predict(edit: Callable[[predict_pb2.PredictRequest], object], signature: str = "double", name: str = "x") -> bytes:
    """A predict request of one float (or text) that `edit` spoils."""
    value = np.array([b"a"], object) if name == "text" else np.ones((1, 1), np.float32)
    request = predict_request(signature=signature, **{name: value})
    edit(request)
    return request.SerializeToString()


def tensor(dtype: int = FLOAT, shape: tuple[int, ...] = (), **fields) -> bytes:
    """A predict request whose only tensor is made by hand; a shape of None is of unknown rank."""
    name, signature = ("text", "") if dtype == STRING else ("x", "double")
    request = predict_request(signature=signature, **{name: np.zeros(0)})
    proto = tf.make_tensor_proto(0.0)
    proto.Clear()
    proto.dtype = dtype
    for size in shape or ():
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_shape.unknown_rank = shape is None
    for field, value in fields.items():
        if isinstance(value, bytes):
            setattr(proto, field, value)
        else:
            getattr(proto, field).extend(value)
    request.inputs[name].CopyFrom(proto)
    return request.SerializeToString()


SPECS = {
    "no spec": (predict(lambda request: request.ClearField("model_spec")), REFUSED),
    "no name": (predict(lambda request: request.model_spec.ClearField("name")), REFUSED),
    "unknown model": (predict(lambda request: setattr(request.model_spec, "name", "x")), ("NOT_FOUND",)),
    "a name of a megabyte": (predict(lambda request: setattr(request.model_spec, "name", "é" * 2**19)), ("NOT_FOUND",)),
    "a name of control characters": (
        predict(lambda request: setattr(request.model_spec, "name", "\0\r\n" * 9)),
        ("NOT_FOUND",),
    ),
    "version 99": (predict(lambda request: setattr(request.model_spec.version, "value", 99)), ("NOT_FOUND",)),
    "version -1": (predict(lambda request: setattr(request.model_spec.version, "value", -1)), ("NOT_FOUND",)),
    "version -2^63": (predict(lambda request: setattr(request.model_spec.version, "value", -(2**63))), ("NOT_FOUND",)),
    "unknown label": (predict(lambda request: setattr(request.model_spec, "version_label", "L")), REFUSED),
    "empty label": (predict(lambda request: setattr(request.model_spec, "version_label", "")), REFUSED),
    "unknown signature": (
        predict(lambda request: setattr(request.model_spec, "signature_name", "s")),
        ("FAILED_PRECONDITION",),
    ),
    "a signature of a megabyte": (
        predict(lambda request: setattr(request.model_spec, "signature_name", "s" * 2**20)),
        ("FAILED_PRECONDITION",),
    ),
    "no inputs": (predict(lambda request: request.ClearField("inputs")), REFUSED),
    "another input": (predict(lambda request: request.inputs["q"].CopyFrom(request.inputs["x"])), REFUSED),
    "unknown output": (predict(lambda request: request.output_filter.append("q")), REFUSED),
    "an output twice": (predict(lambda request: request.output_filter.extend(["y", "y"])), REFUSED),
    "no such inputs in this signature": (predict(lambda request: None, signature="add"), REFUSED),
}

TENSORS = {
    "no type": tensor(0, (1, 1), float_val=[1]),
    "a type that does not exist": tensor(999, (1, 1), float_val=[1]),
    "a negative type": tensor(-1, (1, 1), float_val=[1]),
    "a reference": tensor(FLOAT + 100, (1, 1), float_val=[1]),
    "another type": tensor(tf.float64.as_datatype_enum, (1, 1), double_val=[1]),
    "a resource": tensor(tf.resource.as_datatype_enum, (1, 1)),
    "a variant": tensor(tf.variant.as_datatype_enum, (1, 1)),
    "quantised": tensor(tf.qint8.as_datatype_enum, (1, 1), tensor_content=b"a"),
    "text for float": predict(
        lambda request: request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.array([[b"a"]], object)))
    ),
    "float for text": predict(
        lambda request: request.inputs["text"].CopyFrom(tf.make_tensor_proto([1.0])), "serving_default", "text"
    ),
    "content too short": tensor(FLOAT, (2, 2), tensor_content=b"\0" * 12),
    "content too long": tensor(FLOAT, (2, 2), tensor_content=b"\0" * 20),
    "content of half a number": tensor(FLOAT, (1, 1), tensor_content=b"\0" * 3),
    "content for text": tensor(STRING, (1,), tensor_content=b"\x01a"),
    "too many values": tensor(FLOAT, (1, 1), float_val=[1, 2, 3]),
    "too many texts": tensor(STRING, (1,), string_val=[b"a", b"b"]),
    "values of another field": tensor(FLOAT, (1, 2), int_val=[1, 2], tensor_content=b"a"),
    "a negative dimension": tensor(FLOAT, (-1, 1), float_val=[1]),
    "two negative dimensions": tensor(FLOAT, (-1, -1), float_val=[1]),
    "the least dimension": tensor(FLOAT, (-(2**63), 1), float_val=[1]),
    "unknown rank": tensor(FLOAT, None, float_val=[1]),
    "no rank for a matrix": tensor(FLOAT, (), float_val=[1]),
    "huge, no data": tensor(FLOAT, (HUGE, 1)),
    "huge, one value": tensor(FLOAT, (HUGE, 1), float_val=[1]),
    "huge, one text": tensor(STRING, (HUGE,), string_val=[b"a"]),
    "a product over 2^64": tensor(FLOAT, (HUGE, HUGE), float_val=[1]),
    "a gigabyte, no data": tensor(FLOAT, (2**14, 2**14)),
    "a gigabyte, one value": tensor(FLOAT, (2**14, 2**14), float_val=[1]),
    "sixteen million texts of one": tensor(STRING, (2**24,), string_val=[b"a"]),
    "300 dimensions": tensor(FLOAT, (1,) * 300, float_val=[1]),
    "70 dimensions": tensor(FLOAT, (1,) * 70, float_val=[1]),
}


def multi_inference(*tasks: tuple[str, str, str], rows: int = 1) -> bytes:
    """Tasks of model, signature and method."""
    request = inference_pb2.MultiInferenceRequest(input=example_input(*[{"x": 1.0}] * rows))
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    return request.SerializeToString()


def classify(given, model: str = "ex", signature: str = "") -> bytes:
    """The same bytes serve regress: the messages are alike."""
    request = classification_pb2.ClassificationRequest(input=given)
    request.model_spec.name, request.model_spec.signature_name = model, signature
    return request.SerializeToString()


ROW = {"x": 1.0}
AS_CLASSES, AS_VALUE = "tensorflow/serving/classify", "tensorflow/serving/regress"
EXAMPLES = {
    "no examples": (CLASSIFY, classify(None), REFUSED),
    "an empty list": (CLASSIFY, classify(example_input()), REFUSED),
    "context alone": (CLASSIFY, classify(example_input(context=ROW)), REFUSED),
    "bytes for a float": (CLASSIFY, classify(example_input({"x": b"a"})), REFUSED),
    "a float for bytes": (CLASSIFY, classify(example_input({"name": 1.0})), REFUSED),
    "unknown model": (CLASSIFY, classify(example_input(ROW), "q"), ("NOT_FOUND",)),
    "unknown signature": (CLASSIFY, classify(example_input(ROW), signature="s"), REFUSED),
    "classify by a regression": (CLASSIFY, classify(example_input(ROW), signature="regress"), ("FAILED_PRECONDITION",)),
    "classify a model of texts": (CLASSIFY, classify(example_input(ROW), "m"), (*REFUSED, "FAILED_PRECONDITION")),
    "regress by a classification": (REGRESS, classify(example_input(ROW)), REFUSED),
    "regress with two values a row": (REGRESS, classify(example_input(ROW), signature="wide"), REFUSED),
    "regress without examples": (REGRESS, classify(None, signature="regress"), REFUSED),
    "no tasks": (MULTI, multi_inference(), REFUSED),
    "tasks without examples": (MULTI, multi_inference(("ex", "", AS_CLASSES), rows=0), REFUSED),
    "a task without model": (MULTI, multi_inference(("", "", AS_CLASSES)), REFUSED),
    "tasks of two models": (MULTI, multi_inference(("ex", "", AS_CLASSES), ("m", "", AS_CLASSES)), REFUSED),
    "the same task twice": (MULTI, multi_inference(("ex", "", AS_CLASSES), ("ex", "", AS_CLASSES)), REFUSED),
    "a task of an unknown signature": (MULTI, multi_inference(("ex", "s", AS_CLASSES)), REFUSED),
    "a task of an unknown method": (MULTI, multi_inference(("ex", "", "explode")), ("UNIMPLEMENTED",)),
    "a task of the wrong method": (MULTI, multi_inference(("ex", "", AS_VALUE)), REFUSED),
}


def metadata(*fields: str, model: str = "m") -> bytes:
    """A metadata request."""
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = model
    return request.SerializeToString()


def status(model: str = "m", version: int = 1) -> bytes:
    """A status request."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name, request.model_spec.version.value = model, version
    return request.SerializeToString()


def reload(*entries: dict, **config) -> bytes:
    """A configuration that must change nothing."""
    return reload_request(*entries, **config).SerializeToString()


def specific_nothing() -> bytes:
    """A policy of specific versions that names none."""
    request = reload_request(M)
    request.config.model_config_list.config[0].model_version_policy.specific.SetInParent()
    return request.SerializeToString()


M = {"name": "m", "base_path": "/models/m"}
QUESTIONS = {
    "metadata of no field": (METADATA, metadata(), REFUSED),
    "metadata of an unknown field": (METADATA, metadata("weights"), REFUSED),
    "metadata of an unknown model": (METADATA, metadata("signature_def", model="q"), ("NOT_FOUND",)),
    "status of an unknown model": (STATUS, status("q"), ("NOT_FOUND",)),
    "status of version 99": (STATUS, status(version=99), ("NOT_FOUND",)),
    "status of version -1": (STATUS, status(version=-1), ("NOT_FOUND",)),
    "an unknown method": ("PredictionService/Explode", b"", ("UNIMPLEMENTED",)),
    "an unknown service": ("Predictor/Predict", b"", ("UNIMPLEMENTED",)),
    "no configuration": (RELOAD, model_management_pb2.ReloadConfigRequest().SerializeToString(), REFUSED),
    "a custom configuration": (RELOAD, reload(custom_model_config={"type_url": "a"}), REFUSED),
    "a relative path": (RELOAD, reload({**M, "base_path": "models/m"}), REFUSED),
    "no path": (RELOAD, reload({"name": "m"}), REFUSED),
    "a path with a NUL": (RELOAD, reload({**M, "base_path": "/models/\0"}), REFUSED),
    "no model's name": (RELOAD, reload({"base_path": "/models/m"}), REFUSED),
    "a model twice": (RELOAD, reload(M, M), REFUSED),
    "no platform": (RELOAD, reload({**M, "model_platform": ""}), REFUSED),
    "another platform": (RELOAD, reload({**M, "model_platform": "torch"}), REFUSED),
    "platform and type": (RELOAD, reload({**M, "model_type": 1}), REFUSED),
    "an unknown type": (RELOAD, reload({**M, "model_platform": "", "model_type": 77}), REFUSED),
    "no specific version": (RELOAD, specific_nothing(), REFUSED),
    "a label that moves to no version": (
        RELOAD,
        reload({**M, "name": "two", "labels": {"stable": 9}}),
        ("FAILED_PRECONDITION",),
    ),
}

WIRE = {
    "bytes": bytes(range(256)) * 8,
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: m\r\n\r\n",
    "a preface, then bytes": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(range(256)) * 8,
    "a frame of 16 MB": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x01\x04\0\0\0\x01" + b"a" * 1000,
}


def cases() -> list[Case]:
    """All of them."""
    good, much = predict(lambda request: None), (("padding", "a" * 2**17),)
    return [
        *(
            Case("grpc_garbage", f"{method.split('/')[1]}: {name}", call(method, data), REFUSED)
            for method in METHODS
            for name, data in GARBAGE.items()
        ),
        *(Case("grpc_specs", name, call(PREDICT, data), expected) for name, (data, expected) in SPECS.items()),
        *(Case("grpc_tensors", name, call(PREDICT, data), REFUSED) for name, data in TENSORS.items()),
        *(
            Case("grpc_examples", name, call(method, data), expected)
            for name, (method, data, expected) in EXAMPLES.items()
        ),
        *(
            Case("grpc_models", name, call(method, data), expected)
            for name, (method, data, expected) in QUESTIONS.items()
        ),
        Case("grpc_wire", "metadata of 128 kB", call(PREDICT, good, much), ("RESOURCE_EXHAUSTED",)),
        Case("grpc_wire", "a message over the limit", call(PREDICT, bytes(MESSAGE_LIMIT + 1)), ("RESOURCE_EXHAUSTED",)),
        Case("grpc_wire", "no time", call(PREDICT, good, timeout_s=1e-6), ("DEADLINE_EXCEEDED",)),
        *(Case("grpc_wire", name, grpc_bytes(data), (CLOSED,)) for name, data in WIRE.items()),
    ]
