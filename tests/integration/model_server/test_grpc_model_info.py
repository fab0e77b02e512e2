"""Group grpc_model_info: GetModelStatus and GetModelMetadata."""

import grpc
import pytest
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from tests.integration.model_server.requests import status_request


def metadata_request(model="m", *fields: str):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = model
    return request


def test_status(server):
    (status,) = server.model.GetModelStatus(status_request(), timeout=10).model_version_status
    assert (status.version, status.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    assert (status.status.error_code, status.status.error_message) == (0, "")


def test_status_of_one_version(server):
    (status,) = server.model.GetModelStatus(status_request("two", 2), timeout=10).model_version_status
    assert status.version == 2


def test_metadata(server):
    response = server.prediction.GetModelMetadata(metadata_request("m", "signature_def"), timeout=10)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "add", "total"} <= set(signatures.signature_def)
    assert (response.model_spec.name, response.model_spec.version.value) == ("m", 1)


@pytest.mark.parametrize(
    ("method", "request_", "code", "message"),
    [
        ("status", status_request("x"), "NOT_FOUND", "Could not find any versions of model x"),
        ("status", status_request("m", 7), "NOT_FOUND", "Could not find version 7 of model m"),
        ("status", get_model_status_pb2.GetModelStatusRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            "metadata",
            metadata_request("m"),
            "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        ("metadata", metadata_request("m", "q"), "INVALID_ARGUMENT", "Metadata field q is not supported"),
        (
            "metadata",
            metadata_request("x", "signature_def"),
            "NOT_FOUND",
            "Servable not found for request: Latest(x)",
        ),
    ],
)
def test_mistakes(server, method, request_, code, message):
    call = server.model.GetModelStatus if method == "status" else server.prediction.GetModelMetadata
    with pytest.raises(grpc.RpcError) as caught:
        call(request_, timeout=10)
    assert (caught.value.code().name, caught.value.details()) == (code, message)
