"""Group rest_status: states and metadata over HTTP."""

import pytest

OK = {"error_code": "OK", "error_message": ""}


@pytest.mark.parametrize(
    "path", ["/v1/models/m", "/v1/models/m/versions/1", "/v1/models/m/labels/ignored", "/V1/MODELS/m"]
)
def test_one_version(server, path):
    available = {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": OK}]}
    assert server.get(path) == (200, available)


def test_newest_first(server):
    _, answer = server.get("/v1/models/two")
    assert [entry["version"] for entry in answer["model_version_status"]] == ["3", "2"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/v1/models/x", 404, "Could not find any versions of model x"),
        ("/v1/models/m/versions/4", 404, "Could not find version 4 of model m"),
        ("/v1/models/x/metadata", 404, "Servable not found for request: Latest(x)"),
        ("/v1/models", 400, "Missing model name in request."),
        ("/v1/models/m?a=b", 404, "Could not find any versions of model m?a=b"),
    ],
)
def test_what_is_not_there(server, path, status, message):
    assert server.get(path) == (status, {"error": message})


def test_metadata(server):
    status, metadata = server.get("/v1/models/m/metadata")
    assert (status, metadata["model_spec"]) == (200, {"name": "m", "signature_name": "", "version": "1"})
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["text"]["dtype"] == "DT_STRING"
    assert signature["outputs"]["score"]["tensor_shape"]["dim"][1]["size"] == "2"
    assert signature["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize("path", ["versions/2", "labels/stable"])
def test_metadata_of_a_version(server, path):
    assert server.get(f"/v1/models/two/{path}/metadata")[1]["model_spec"]["version"] == "2"
