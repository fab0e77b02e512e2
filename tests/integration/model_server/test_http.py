"""Group http: methods, paths, encodings, browsers."""

import gzip
import json

import pytest

PREDICT = "/v1/models/m:predict"
GZIP = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
def test_methods_that_the_api_does_not_know(server, method):
    status, answer = server.request(method, "/v1/models/m")
    assert status == 400
    assert method == "HEAD" or json.loads(answer) == {"error": f"Malformed request: {method} /v1/models/m"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PREDICT),
        ("POST", "/v1/models/m"),
        ("GET", "/v1/"),
        ("POST", f"{PREDICT}?a=b"),
        ("GET", "/v1/models/a/b"),
    ],
)
def test_paths_match_as_a_whole(server, method, path):
    status, answer = server.request(method, path, b"{}" if method == "POST" else None)
    assert (status, json.loads(answer)) == (400, {"error": f"Malformed request: {method} {path}"})


def test_outside_the_api(server):
    status, answer = server.request("GET", "/index.html")
    assert status == 404
    assert not answer.startswith(b"{")


def test_a_version_over_int64(server):
    assert server.request("POST", f"/v1/models/m/versions/{2**63}:predict", b"{}") == (400, b"")


def test_names_are_percent_decoded(server):
    status, answer = server.get("/v1/models/aj%C3%AD")
    assert (status, answer) == (404, {"error": "Could not find any versions of model ají"})


def test_gzip(server):
    assert server.request("POST", PREDICT, gzip.compress(b'{"instances": ["abc"]}'), GZIP)[0] == 200
    status, answer = server.request("POST", PREDICT, b"{}", GZIP)
    assert (status, json.loads(answer)["error"]) == (400, "JSON Parse error: The document is empty")


def test_a_body_over_the_limit_is_413(server):
    status, answer = server.request("POST", PREDICT, iter([b"x" * 2**20] * 101))
    assert (status, json.loads(answer)["error"][:12]) == (413, "Request body")


def test_answers_are_plain_json(server):
    headers = {"Accept-Encoding": "gzip"}
    _, body, got = server.exchange("POST", PREDICT, b'{"instances": ["abc"]}', headers)
    assert (got["content-type"], got.get("content-encoding")) == ("application/json", None)
    assert json.loads(body)


def test_browsers(server):
    status, _, headers = server.exchange("OPTIONS", PREDICT, headers={"Origin": "http://a"})
    assert status == 200
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == "POST, GET"
    assert headers["access-control-allow-headers"] == "Content-Type"
    assert server.request("OPTIONS", PREDICT)[0] == 400
    _, _, headers = server.exchange("POST", PREDICT, b'{"instances": ["abc"]}', {"Origin": "http://a"})
    assert headers["access-control-allow-origin"] == "*"
