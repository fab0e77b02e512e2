"""Which request a REST path means."""

import pytest

from serving.model_server.routes import ModelTarget, Route, VersionTooLargeError, is_api_path, parse_route
from serving.model_server.statuses import Code, StatusError


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/v1/models/taste:predict", Route("predict", ModelTarget("taste"))),
        ("POST", "/v1/models/taste/versions/007:predict", Route("predict", ModelTarget("taste", 7))),
        ("POST", "/v1/models/taste/labels/a%20b:predict", Route("predict", ModelTarget("taste", None, "a b"))),
        ("POST", "/V1/MODELS/saz%C3%B3n:classify", Route("classify", ModelTarget("sazón"))),
        ("GET", "/v1/models/taste", Route("status", ModelTarget("taste"))),
        ("GET", "/v1/models/taste/versions/3/metadata", Route("metadata", ModelTarget("taste", 3))),
        ("GET", f"/v1/models/m/versions/{2**63 - 1}", Route("status", ModelTarget("m", 2**63 - 1))),
    ],
)
def test_understands_the_paths_of_the_protocol(method, path, route):
    assert parse_route(method, path) == route


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/taste:predict"),
        ("PUT", "/v1/models/taste"),
        ("DELETE", "/v1/models/taste:predict"),
        ("POST", "/v1/models/taste:predict?x=1"),
        ("POST", "/v1/models/taste:Predict"),
        ("POST", "/v1/models/taste:predict/"),
        ("GET", "/v1/models/taste/versions/-1"),
        ("GET", "/v1/"),
    ],
)
def test_names_method_and_path_of_a_malformed_request(method, path):
    with pytest.raises(StatusError) as caught:
        parse_route(method, path)
    assert caught.value.message == f"Malformed request: {method} {path}"
    assert caught.value.code.http_status == 400


def test_asks_for_the_model_name():
    with pytest.raises(StatusError, match=r"^Missing model name in request\.$"):
        parse_route("GET", "/v1/models")


@pytest.mark.parametrize("digits", [str(2**63), "9" * 5000], ids=["next", "long"])
def test_refuses_versions_above_int64(digits):
    with pytest.raises(VersionTooLargeError):
        parse_route("POST", f"/v1/models/m/versions/{digits}:predict")


def test_only_v1_is_the_api():
    assert is_api_path("/v1/x")
    assert not is_api_path("/v1")
    assert not is_api_path("/v2/models")


def test_every_code_has_an_http_status():
    assert {code.name: code.http_status for code in Code} == {
        "OK": 200,
        "CANCELLED": 499,
        "UNKNOWN": 500,
        "INVALID_ARGUMENT": 400,
        "DEADLINE_EXCEEDED": 504,
        "NOT_FOUND": 404,
        "ALREADY_EXISTS": 409,
        "PERMISSION_DENIED": 403,
        "RESOURCE_EXHAUSTED": 429,
        "FAILED_PRECONDITION": 400,
        "ABORTED": 409,
        "OUT_OF_RANGE": 400,
        "UNIMPLEMENTED": 501,
        "INTERNAL": 500,
        "UNAVAILABLE": 503,
        "DATA_LOSS": 500,
        "UNAUTHENTICATED": 401,
    }
