"""Status and metadata answers, as messages for gRPC and as JSON for REST."""

import json
from typing import Protocol

from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec

from serving.model_server.catalogue import Catalogue
from serving.model_server.routes import ModelTarget
from serving.model_server.statuses import invalid_argument


class NamesModel(Protocol):
    """A request message with a `model_spec`."""

    @property
    def model_spec(self) -> ModelSpec: ...  # noqa: D102

    def HasField(self, field_name: str) -> bool: ...  # noqa: D102, N802


def read_target(request: NamesModel) -> ModelTarget:
    """The model that a gRPC request names.

    Raises:
        StatusError: it has no model spec.
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    return read_spec(request.model_spec)


def read_spec(spec: ModelSpec) -> ModelTarget:
    """The model that a spec names; see `read_target`."""
    match spec.WhichOneof("version_choice"):
        case "version":
            return ModelTarget(spec.name, version=spec.version.value)
        case "version_label":
            return ModelTarget(spec.name, label=spec.version_label)
    return ModelTarget(spec.name)


def describe_statuses(catalogue: Catalogue, target: ModelTarget) -> GetModelStatusResponse:
    """States of the versions asked for, newest first.

    Raises:
        StatusError: no such model or version.
    """
    response = GetModelStatusResponse()
    for status in catalogue.statuses(target):
        entry = response.model_version_status.add(version=status.version, state=int(status.state))
        entry.status.error_code, entry.status.error_message = int(status.code), status.message
    return response


def describe_model(catalogue: Catalogue, target: ModelTarget) -> GetModelMetadataResponse:
    """Signatures of the version that would answer.

    Raises:
        StatusError: no such model, version or label.
    """
    with catalogue.lease(target) as servable:
        response = GetModelMetadataResponse()
        response.model_spec.name = target.name
        response.model_spec.version.value = servable.version
        signatures = SignatureDefMap(signature_def=servable.signature_defs)
    response.metadata["signature_def"].Pack(signatures)
    return response


def statuses_json(catalogue: Catalogue, target: ModelTarget) -> bytes:
    """`describe_statuses` for REST."""
    return _pretty(_as_dict(describe_statuses(catalogue, target)))


def model_json(catalogue: Catalogue, target: ModelTarget) -> bytes:
    """`describe_model` for REST."""
    response = describe_model(catalogue, target)
    signatures = SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    spec = _as_dict(response.model_spec)
    return _pretty({"model_spec": spec, "metadata": {"signature_def": _as_dict(signatures)}})


def _as_dict(message: Message) -> dict[str, object]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _pretty(document: dict[str, object]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode()
