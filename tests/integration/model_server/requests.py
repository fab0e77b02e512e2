"""Requests of the official stubs."""

import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, input_pb2, model_management_pb2, predict_pb2
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig


def predict_request(*texts: bytes, model="m", signature="", version=None, label="", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    for name, values in (inputs or {"text": list(texts)}).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def status_request(model="m", version=None):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    if version is not None:
        request.model_spec.version.value = version
    return request


def reload_request(*entries: dict, **config):
    """Entries are fields of ModelConfig, and `versions`: the specific ones wanted, or `all`."""
    request = model_management_pb2.ReloadConfigRequest(config=ModelServerConfig(**config))
    for entry in entries:
        fields = {"model_platform": "tensorflow", **entry}
        versions, labels = fields.pop("versions", ()), fields.pop("labels", {})
        added = request.config.model_config_list.config.add(**fields)
        if versions == "all":
            added.model_version_policy.all.SetInParent()
        elif versions:
            added.model_version_policy.specific.versions.extend(versions)
        for label, version in labels.items():
            added.version_labels[label] = version
    return request


def example_input(*rows: dict, context: dict | None = None):
    given = input_pb2.Input()
    kind = given.example_list if context is None else given.example_list_with_context
    for row in rows:
        fill(kind.examples.add(), row)
    if context is not None:
        fill(kind.context, context)
    return given


def fill(example, features: dict) -> None:
    for name, value in features.items():
        feature = example.features.feature[name]
        (feature.bytes_list if isinstance(value, bytes) else feature.float_list).value.append(value)
