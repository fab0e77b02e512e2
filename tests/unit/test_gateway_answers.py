"""Labels in the reader's language, and the description of the API."""

import json
import re

import pytest
from gateway_model import FakeModel, served

from sazon.schema import SENTIMENTS, TASTES
from serving.gateway.app import GatewayConfig, create_app
from serving.gateway.languages import WORDS

PREDICT, EXPLAIN = "/api/v1/predict", "/api/v1/explain"


@pytest.fixture(scope="module")
def client():
    with served(FakeModel()) as address:
        yield create_app(GatewayConfig(address)).test_client()


def first(client, query="", **headers):
    response = client.post(PREDICT + query, json={"text": "Rico"}, headers=headers)
    return response.json["predictions"][0], response


def test_labels_come_in_the_language_that_is_asked_for(client):
    spanish, response = first(client, "?lang=es")
    assert (spanish["sentiment"], spanish["tastes"]) == ("positivo", ["picante", "ácido"])
    assert list(spanish["sentiment_probs"]) == ["negativo", "neutral", "positivo"]
    assert response.headers["Content-Language"] == "es"
    english, response = first(client, "?lang=en")
    assert (english["sentiment"], english["tastes"]) == ("positive", ["spicy", "sour"])
    assert len(english["taste_probs"]) == len(TASTES)
    assert response.headers["Content-Language"] == "en"


@pytest.mark.parametrize(
    ("header", "sentiment", "taste"),
    [
        ("es-PE,es;q=0.9,en;q=0.8", "positivo", "ácido"),
        ("en-GB,en;q=0.9", "positive", "sour"),
        ("qu, es-PE;q=0.7, en;q=0.3", "positivo", "ácido"),
        ("es;q=0, en", "positive", "sour"),
        ("fr", "positive", "acido"),
        ("*", "positive", "acido"),
        ("", "positive", "acido"),
        (";;;q=x", "positive", "acido"),
    ],
)
def test_the_header_of_a_browser_counts_where_nothing_is_asked(client, header, sentiment, taste):
    answer, _ = first(client, **{"Accept-Language": header})
    assert (answer["sentiment"], answer["tastes"][1]) == (sentiment, taste)
    assert first(client, "?lang=en", **{"Accept-Language": header})[0]["tastes"][1] == "sour"


def test_an_explanation_is_in_that_language_too(client):
    answer = client.post(f"{EXPLAIN}?lang=es", json={"text": "Rico pero caro"}).json
    assert answer["explanations"][0]["sentiment"] == "positivo"


def test_every_label_has_a_word():
    assert {label for words in WORDS.values() for label in words} <= {*SENTIMENTS, *TASTES}
    assert set(TASTES) <= WORDS["en"].keys()


def test_the_description_names_every_route_and_limit(client):
    spec = client.get("/openapi.json").json
    assert spec["openapi"].startswith("3.")
    assert set(spec["paths"]) == {PREDICT, EXPLAIN, "/healthz", "/readyz"}
    question = spec["components"]["schemas"]["Question"]
    assert question["properties"]["texts"]["maxItems"] == 1000
    assert "Lima" in json.dumps(question)
    assert {"200", "400", "429", "503", "504"} <= spec["paths"][PREDICT]["post"]["responses"].keys()
    assert "ValidationError" not in json.dumps(spec)


def test_the_documentation_loads_nothing_from_elsewhere(client):
    page = client.get("/docs")
    assets = re.findall(r'(?:src|href|data-spec)="([^"]+)"', page.text)
    assert len(assets) >= 4 and all(asset.startswith("/") for asset in assets)
    assert all(client.get(asset).status_code == 200 for asset in assets)
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script>|\sstyle=|\son\w+=", page.text)
    assert client.get("/docs/templates.py").status_code == 404
