"""Feedback over HTTP: on disk before it is answered, once, and without personal data."""

import json

import pytest
from malformed_feedback import good

from data.ingest.inbox import Inbox
from serving.gateway.app import GatewayConfig, create_app
from serving.gateway.feedback import MAX_ROWS

ROUTE = "/api/v1/feedback"


def row(number=0, **changes):
    return {**good(number), "rating": 5, "tastes": ["picante"], **changes}


@pytest.fixture
def inbox(tmp_path):
    return Inbox(tmp_path / "inbox.db")


@pytest.fixture
def client(tmp_path):
    return create_app(GatewayConfig("127.0.0.1:1", inbox=tmp_path / "inbox.db")).test_client()


def test_rows_are_taken_once_and_redacted(client, inbox):
    rows = [row(0, text="Rico, llámenme al 987654321"), row(1, created_at=None) | {"rating": None}]
    rows[1].pop("created_at")
    answer = client.post(ROUTE, json={"feedback": rows})
    assert (answer.status_code, answer.json) == (200, {"accepted": 2, "duplicates": 0})
    again = client.post(ROUTE, json={"feedback": [rows[0], row(2)]})
    assert again.json == {"accepted": 1, "duplicates": 1}
    first, second, _ = [json.loads(cells) for cells in inbox.waiting()[0]]
    assert "987654321" not in first["text"] and first["tastes"] == "picante" and first["rating"] == "5"
    assert second["rating"] == "" and second["created_at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"feedback_id": ""}, "feedback_id"),
        ({"feedback_id": "rosa@correo.pe"}, "feedback_id"),
        ({"feedback_id": "x" * 201}, "feedback_id"),
        ({"created_at": "ayer"}, "created_at"),
        ({"created_at": "2025-07-28T13:05:00"}, "created_at"),
        ({"created_at": "0001-01-01T00:00:00+05:00"}, "created_at"),
        ({"text": " "}, "text"),
        ({"text": "x" * 10_001}, "text"),
        ({"region": "Lime"}, "region"),
        ({"channel": "fax"}, "channel"),
        ({"rating": 6}, "rating"),
        ({"rating": "5"}, "rating"),
        ({"sentiment": "happy"}, "sentiment"),
        ({"tastes": ["rico"]}, "tastes"),
        ({"tastes": "picante"}, "tastes"),
        ({"category": " "}, "category"),
        ({"price": 3}, "price"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_taken(client, inbox, change, named):
    answer = client.post(ROUTE, json={"feedback": [row(0), row(1, **change)]})
    assert answer.status_code == 400 and named in answer.json["error"]["message"]
    assert inbox.waiting() == ([], 0)


def test_a_delivery_is_bounded(client):
    answer = client.post(ROUTE, json={"feedback": [row(number) for number in range(MAX_ROWS + 1)]})
    assert answer.status_code == 400 and str(MAX_ROWS) in answer.json["error"]["message"]
    assert client.post(ROUTE, json={"feedback": []}).status_code == 400


def test_a_disk_that_takes_nothing_is_said(tmp_path):
    (tmp_path / "inbox.db").mkdir()
    client = create_app(GatewayConfig("127.0.0.1:1", inbox=tmp_path / "inbox.db")).test_client()
    answer = client.post(ROUTE, json={"feedback": [row()]})
    assert answer.status_code == 503 and answer.headers["Retry-After"]


def test_the_route_is_described_where_there_is_an_inbox(client):
    paths = client.get("/openapi.json").json["paths"]
    assert "post" in paths[ROUTE]
    assert ROUTE not in create_app(GatewayConfig("127.0.0.1:1")).test_client().get("/openapi.json").json["paths"]
