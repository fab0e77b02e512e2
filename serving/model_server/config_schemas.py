"""Messages of the configuration files that `tensorflow-serving-api` leaves out, built from their field numbers."""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_PACKAGE: Final = "sazon.model_server"
_FILE: Final = "sazon/model_server_configs.proto"
_WRAPPERS: Final = wrappers_pb2.DESCRIPTOR.name
_INT64: Final = ".google.protobuf.Int64Value"
_SCHEMAS: Final[dict[str, tuple[tuple[str, int, str], ...]]] = {
    "BatchingParameters": (
        ("max_batch_size", 1, _INT64),
        ("batch_timeout_micros", 2, _INT64),
        ("max_enqueued_batches", 3, _INT64),
        ("num_batch_threads", 4, _INT64),
        ("thread_pool_name", 5, ".google.protobuf.StringValue"),
        ("allowed_batch_sizes", 6, "repeated int64"),
        ("pad_variable_length_inputs", 7, "bool"),
        ("enable_large_batch_splitting", 8, ".google.protobuf.BoolValue"),
        ("max_execution_batch_size", 9, _INT64),
    ),
    "SSLConfig": (
        ("server_key", 1, "string"),
        ("server_cert", 2, "string"),
        ("custom_ca", 3, "string"),
        ("client_verify", 4, "bool"),
    ),
    "PrometheusConfig": (("enable", 1, "bool"), ("path", 2, "string")),
    "MonitoringConfig": (("prometheus_config", 1, f".{_PACKAGE}.PrometheusConfig"),),
}
_SCALARS: Final = {
    name: descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{name.upper()}") for name in ("bool", "int64", "string")
}


def _message_classes() -> dict[str, type[Any]]:
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto3", dependency=[_WRAPPERS])
    for message_name, fields in _SCHEMAS.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind in fields:
            _add_field(message, name, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _SCHEMAS)
    return {descriptor.name: message_factory.GetMessageClass(descriptor) for descriptor in found}


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    field = message.field.add(name=name, number=number)
    *repeated, scalar = kind.split()
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if scalar.startswith("."):
        field.type, field.type_name = field.TYPE_MESSAGE, scalar
    else:
        field.type = _SCALARS[scalar]


_CLASSES: Final = _message_classes()
BatchingParameters: Final = _CLASSES["BatchingParameters"]
SSLConfig: Final = _CLASSES["SSLConfig"]
MonitoringConfig: Final = _CLASSES["MonitoringConfig"]
