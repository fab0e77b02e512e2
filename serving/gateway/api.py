"""Routes for programs: predict, explain, health, metrics."""

import time
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, current_app, g, jsonify, request

from sazon.logging import get_logger
from serving.gateway.config import FeatureReader, Features
from serving.gateway.errors import ApiError
from serving.gateway.model_client import ModelClient
from serving.gateway.questions import MAX_EXPLAINED_TEXTS, Question, parse_question
from serving.monitoring.metrics import OK, GatewayMetrics
from serving.traffic import STABLE

_log = get_logger("gateway")


def make_api(client: ModelClient, metrics: GatewayMetrics, reader: FeatureReader | None) -> Blueprint:
    """The routes over one model client."""
    api = Blueprint("api", __name__)

    @api.post("/api/v1/predict")
    def predict() -> Response:
        question = parse_question(_read_json())
        started = time.perf_counter()
        version, predictions = client.predict(question.texts, _model_context(question, reader, client))
        metrics.observe_call(STABLE, version, OK, time.perf_counter() - started, uuid4().hex)
        g.model_version = version
        return jsonify(
            model_version=version,
            predictions=[prediction.as_json() for prediction in predictions],
            context=_context(question, reader),
        )

    @api.post("/api/v1/explain")
    def explain() -> Response:
        question = parse_question(_read_json(), MAX_EXPLAINED_TEXTS)
        # Not in `inference_duration`: it judges a version by its predictions.
        version, explanations = client.explain(question.texts)
        g.model_version = version
        return jsonify(
            model_version=version,
            explanations=[explanation.as_json() for explanation in explanations],
        )

    @api.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @api.get("/readyz")
    def readyz() -> Response:
        return jsonify(status="ready", model_version=client.available_version())

    @api.get("/metrics")
    def show_metrics() -> Response:
        body, content_type = metrics.render(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    return api


def _read_json() -> Any:
    if not request.is_json:
        raise ApiError(415, "unsupported_media_type", "send JSON with the header Content-Type: application/json")
    try:
        # Read first: a body over the limit is 413, and must not look like bad JSON.
        request.get_data()
        return current_app.json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise ApiError(400, "invalid_json", "the body is not JSON") from None


def _model_context(question: Question, reader: FeatureReader | None, client: ModelClient) -> list[float] | None:
    """What the model may know beside the texts; None where nothing is named, or the model would not read it."""
    if reader is None or not (question.product or question.region) or not client.may_read_context:
        return None
    try:
        return reader.read_context(question.product, question.region)
    except Exception:
        _log.exception("online features cannot be read; the model answers from the texts alone")
        return None


def _context(question: Question, reader: FeatureReader | None) -> Features:
    if reader is None or question.product is None or question.region is None:
        return {}
    try:
        return reader.read(question.product, question.region)
    except Exception:
        _log.exception("online features cannot be read; the answer goes out without them")
        return {}
