"""Group metrics: Prometheus' text at the configured path."""

import pytest

PATH = "/metrics/here"


@pytest.fixture(scope="module")
def text(server) -> str:
    server.post("/v1/models/m:predict", {"instances": ["a"]})
    server.post("/v1/models/m:predict", {"instances": [1]})
    server.post("/v1/models/invented:predict", {"instances": ["a"]})
    server.post("/v1/models/ex:classify", {"examples": [{}]})
    status, answer, headers = server.exchange("GET", PATH)
    assert (status, headers["content-type"]) == (200, "text/plain")
    return answer.decode()


@pytest.mark.parametrize(
    "sample",
    [
        'request_count{model_name="m",status="OK"}',
        'request_count{model_name="m",status="INVALID_ARGUMENT"}',
        'request_latency_count{model_name="m",API="Predict",entrypoint="REST"}',
        'request_latency_count{model_name="ex",API="Classify",entrypoint="REST"}',
        'request_latency_bucket{model_name="m",API="Predict",entrypoint="REST",le="+Inf"}',
        'request_latency_bucket{model_name="m",API="Predict",entrypoint="REST",le="10"}',
        'runtime_latency_count{model_name="m",API="Predict",runtime="TF1"}',
    ],
)
def test_samples(text, sample):
    assert f":tensorflow:serving:{sample}" in text


def test_names_that_clients_invent_are_left_out(text):
    assert "invented" not in text


def test_types_are_declared(text):
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    assert "# TYPE :tensorflow:serving:request_latency histogram" in text


def test_the_default_path_is_not_there(server):
    assert server.request("GET", "/monitoring/prometheus/metrics")[0] == 404
