"""The gateway over a fake model server that speaks the real protocol."""

import json
import math
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from gateway_model import FakeModel, served
from prometheus_client import CollectorRegistry

from sazon.schema import MAX_TEXT_CHARS, REGIONS, SENTIMENTS, TASTES
from serving.gateway.app import GatewayConfig, create_app
from serving.gateway.questions import MAX_EXPLAINED_TEXTS, MAX_TEXTS
from serving.monitoring import metrics

ROOT = Path(__file__).parents[2]
PREDICT, EXPLAIN = "/api/v1/predict", "/api/v1/explain"


class Features:
    def __init__(self):
        self.broken = False

    def read(self, product, region):
        if self.broken:
            raise RuntimeError("store is gone")
        return {"rating_mean_30d": 4.25 if product == "ceviche" else None, "volume_30d": 12}

    def read_context(self, product, region):
        if self.broken:
            raise RuntimeError("store is gone")
        return [4.25 if product == "ceviche" else math.nan, 12.0 if region else math.nan]


@pytest.fixture
def model():
    return FakeModel()


@pytest.fixture
def address(model):
    with served(model) as address:
        yield address


@pytest.fixture
def features():
    return Features()


@pytest.fixture
def client(address, features):
    return create_app(GatewayConfig(address, timeout_s=2.0, feature_reader=features)).test_client()


@contextmanager
def error(response, status, code):
    """The answer is a JSON error; the block looks at its message."""
    assert (response.status_code, response.json["error"]["code"]) == (status, code)
    assert "Traceback" not in response.text
    assert response.json.keys() == {"error"}
    yield response.json["error"]["message"]


def test_one_text_gets_sentiment_and_tastes_with_probabilities(client, model):
    response = client.post(PREDICT, json={"text": "¡Qué rico!"})
    assert response.status_code == 200
    assert response.json == {
        "prediction_id": response.headers["X-Prediction-Id"],
        "model_version": "7",
        "predictions": [
            {
                "text": "¡Qué rico!",
                "sentiment": "positive",
                "sentiment_probs": {"negative": 0.1, "neutral": 0.2, "positive": 0.7},
                "tastes": ["picante", "acido"],
                "taste_probs": dict.fromkeys(TASTES, 0.25),
            }
        ],
        "context": {},
    }
    assert list(response.json["predictions"][0]["sentiment_probs"]) == list(SENTIMENTS)
    assert model.asked == [("taste", ["¡Qué rico!"])]


def test_many_texts_keep_their_order(client):
    texts = [f"texto {number}" for number in range(MAX_TEXTS)]
    answer = client.post(PREDICT, json={"texts": texts}).json
    assert [prediction["text"] for prediction in answer["predictions"]] == texts
    assert [prediction["tastes"] for prediction in answer["predictions"][:2]] == [["picante", "acido"], []]


def test_product_and_region_bring_their_features(client):
    known = client.post(PREDICT, json={"text": "x", "product": "ceviche", "region": "Lima"}).json["context"]
    unknown = client.post(PREDICT, json={"text": "x", "product": "nuevo", "region": "Áncash"}).json["context"]
    assert known == {"rating_mean_30d": 4.25, "volume_30d": 12}
    assert unknown == {"rating_mean_30d": None, "volume_30d": 12}
    assert client.post(PREDICT, json={"text": "x", "region": "Lima"}).json["context"] == {}


def test_a_broken_feature_store_does_not_stop_predictions(client, features):
    features.broken = True
    response = client.post(PREDICT, json={"text": "x", "product": "ceviche", "region": "Lima"})
    assert (response.status_code, response.json["context"]) == (200, {})


def test_a_model_that_reads_context_gets_what_the_named_product_and_region_bring(client, model):
    client.post(PREDICT, json={"text": "x"})
    assert model.contexts == []
    client.post(PREDICT, json={"texts": ["x", "y"], "product": "ceviche", "region": "Lima"})
    assert model.contexts.pop() == ((2, 2), [4.25, 12.0] * 2)
    client.post(PREDICT, json={"text": "x", "product": "ceviche"})
    (shape, (rating, volume)) = model.contexts.pop()
    assert (shape, rating, math.isnan(volume)) == ((1, 2), 4.25, True)


@pytest.mark.parametrize("status", [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT])
def test_a_model_of_texts_alone_answers_all_the_same_and_is_tried_once(client, model, status):
    model.reads_context, model.unknown = False, status
    for _ in range(3):
        assert client.post(PREDICT, json={"text": "x", "region": "Lima"}).status_code == 200
    assert len(model.asked) == 1 + 3


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ([], "invalid_request", "JSON object"),
        ({}, "invalid_request", 'either "text" or "texts"'),
        ({"text": "a", "texts": ["b"]}, "invalid_request", 'either "text" or "texts"'),
        ({"text": "a", "regoin": "Lima"}, "invalid_request", 'unknown field "regoin"'),
        ({"text": "a", "\ud800": 1}, "invalid_json", "hex escape"),
        ({"text": 3}, "invalid_request", "text: must be a string"),
        ({"text": " \n"}, "empty_text", "text: is empty"),
        ({"texts": []}, "invalid_request", "texts: must be a list"),
        ({"texts": "abc"}, "invalid_request", "texts: must be a list"),
        ({"texts": ["a", ""]}, "empty_text", "texts[1]: is empty"),
        ({"texts": ["a"] * (MAX_TEXTS + 1)}, "invalid_request", "at most 1000"),
        ({"text": "a" * (MAX_TEXT_CHARS + 1)}, "text_too_long", "at most 10000"),
        ({"text": "a\ud800"}, "invalid_json", "hex escape"),
        ({"text": "a", "region": "Atlantis"}, "unknown_region", "Lima"),
        ({"text": "a", "region": ["Lima"]}, "invalid_request", "region: must be a string"),
        ({"text": "a", "product": ""}, "invalid_request", "product"),
    ],
)
def test_refuses_a_wrong_question_and_says_why(client, model, body, code, message):
    response = client.post(PREDICT, data=json.dumps(body), content_type="application/json")
    with error(response, 400, code) as text:
        assert message in text
    assert model.asked == []


def test_refuses_what_is_not_a_json_request(client):
    with error(client.post(PREDICT, data="{", content_type="application/json"), 400, "invalid_json"):
        pass
    with error(client.post(PREDICT, data=b"[" * 100_000, content_type="application/json"), 400, "invalid_json"):
        pass
    with error(client.post(PREDICT, data="text=a"), 415, "unsupported_media_type"):
        pass
    with error(client.get(PREDICT), 405, "method_not_allowed"):
        pass
    with error(client.get("/api/v2"), 404, "not_found"):
        pass
    large = b'{"text": "' + b"a" * (17 * 1024 * 1024) + b'"}'
    with error(client.post(PREDICT, data=large, content_type="application/json"), 413, "payload_too_large"):
        pass


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (grpc.StatusCode.NOT_FOUND, 503, "model_unavailable"),
        (grpc.StatusCode.UNAVAILABLE, 503, "model_unavailable"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, "model_timeout"),
        (grpc.StatusCode.INTERNAL, 500, "model_failed"),
    ],
)
def test_failures_of_the_model_server_are_clear_and_hide_its_internals(client, model, failure, status, code):
    model.failure = failure
    with error(client.post(PREDICT, json={"text": "a"}), status, code) as message:
        assert "secret" not in message


def test_a_model_with_another_signature_is_an_error(client, model):
    model.width = 3
    with error(client.post(PREDICT, json={"text": "a"}), 500, "bad_model_answer"):
        pass


def test_gives_up_at_the_deadline(address, model):
    model.delay_s = 1.0
    client = create_app(GatewayConfig(address, timeout_s=0.1)).test_client()
    started = time.monotonic()
    with error(client.post(PREDICT, json={"text": "a"}), 504, "model_timeout"):
        pass
    assert time.monotonic() - started < 0.9


def test_an_explanation_says_what_each_word_did(client, model):
    response = client.post(EXPLAIN, json={"texts": ["Rico pero CARO", "Sí no"], "product": "ceviche", "region": "Lima"})
    assert response.status_code == 200
    first, second = response.json["explanations"]
    assert response.json["model_version"] == "7"
    assert (first["text"], first["sentiment"]) == ("Rico pero CARO", "positive")
    assert first["words"] == [
        {"word": "Rico", "start": 0, "end": 4, "strength": 1.0, "attribution": 0.5},
        {"word": "pero", "start": 5, "end": 9, "strength": 0.0, "attribution": 0.0},
        {"word": "CARO", "start": 10, "end": 14, "strength": -0.5, "attribution": -0.25},
    ]
    assert [word["word"] for word in second["words"]] == ["Sí", "no"]
    assert model.asked == [("taste", ["Rico pero CARO", "Sí no"])]


def test_an_explanation_takes_few_texts_and_checks_them_as_a_prediction(client, model):
    with error(client.post(EXPLAIN, json={"texts": ["a"] * (MAX_EXPLAINED_TEXTS + 1)}), 400, "invalid_request") as text:
        assert "at most 32" in text
    with error(client.post(EXPLAIN, json={"text": " "}), 400, "empty_text"):
        pass
    assert model.asked == []


@pytest.mark.parametrize("status", [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT])
def test_an_older_version_that_cannot_explain_says_so_and_still_predicts(client, model, status):
    model.explains, model.unknown = False, status
    with error(client.post(EXPLAIN, json={"text": "a b"}), 501, "explanation_unavailable") as message:
        assert "cannot explain" in message
    assert client.post(PREDICT, json={"text": "a b"}).status_code == 200


def test_an_explanation_fails_as_a_prediction_does(client, model):
    model.width = 3
    with error(client.post(EXPLAIN, json={"texts": ["a b", "a b c"]}), 500, "bad_model_answer"):
        pass
    model.failure = grpc.StatusCode.DEADLINE_EXCEEDED
    with error(client.post(EXPLAIN, json={"text": "a b"}), 504, "model_timeout"):
        pass


def test_health_and_readiness_differ_when_the_model_server_is_away(client, model):
    assert client.get("/readyz").json == {"status": "ready", "model_version": "7"}
    model.failure = grpc.StatusCode.NOT_FOUND
    assert client.get("/healthz").json == {"status": "ok"}
    with error(client.get("/readyz"), 503, "model_unavailable"):
        pass
    nobody = create_app(GatewayConfig("127.0.0.1:1")).test_client()
    with error(nobody.post(PREDICT, json={"text": "a"}), 503, "model_unavailable"):
        pass


def test_metrics_say_who_answered(address):
    registry = CollectorRegistry()
    client = create_app(GatewayConfig(address, registry=registry)).test_client()
    client.post(PREDICT, json={"text": "a"})
    client.post(PREDICT, json={})
    client.post(EXPLAIN, json={"text": "a b"})
    client.get("/nowhere/4711")
    answered = {"route": PREDICT, "method": "POST", "status": "200", "model_version": "7"}
    assert registry.get_sample_value(metrics.GATEWAY_REQUESTS, answered) == 1
    assert registry.get_sample_value(metrics.GATEWAY_REQUESTS, {**answered, "route": EXPLAIN}) == 1
    refused = {**answered, "status": "400", "model_version": "none"}
    assert registry.get_sample_value(metrics.GATEWAY_REQUESTS, refused) == 1
    count = f"{metrics.GATEWAY_INFERENCE_DURATION}_count"
    assert registry.get_sample_value(count, {"model_version": "7", "role": "stable", "outcome": "ok"}) == 1
    text = client.get("/metrics").text
    assert f'{metrics.GATEWAY_REQUEST_DURATION}_bucket{{le="0.001",model_version="7",route="{PREDICT}"}}' in text
    assert "4711" not in text


def test_the_page_is_spanish_self_contained_and_names_its_limits(client):
    page = client.get("/")
    assert page.status_code == 200
    assert '<html lang="es-PE">' in page.text
    assert "datos sintéticos" in page.text
    assert all(f"<option>{region}</option>" in page.text for region in REGIONS)
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assets = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert all(asset.startswith("/static/") for asset in assets)
    assert all(client.get(asset).status_code == 200 for asset in assets)
    assert not re.search(r"<script>|\sstyle=|\son\w+=", page.text)


def test_every_control_of_the_page_has_a_label(client):
    page = client.get("/").text
    for control in re.findall(r"<(?:textarea|input|select) id=\"(\w+)\"", page):
        assert f'<label for="{control}">' in page


def test_a_gateway_needs_no_tensorflow():
    code = "import sys, serving.gateway.app; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
