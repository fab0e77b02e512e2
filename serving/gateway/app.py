"""The gateway's Flask application."""

import time
from typing import Final

from flask import Flask, Response, g, render_template, request
from prometheus_client import CollectorRegistry

from data.catalogue import PRODUCTS
from data.ingest.inbox import Inbox
from sazon.schema import MAX_TEXT_CHARS, REGIONS
from serving.gateway.admission import EXTENSION, Admission
from serving.gateway.api import make_api
from serving.gateway.calls import CountedCalls
from serving.gateway.config import FeatureReader, GatewayConfig
from serving.gateway.documentation import make_pages, make_spec
from serving.gateway.errors import register_error_handlers
from serving.gateway.feedback import make_feedback
from serving.gateway.freshness import FeatureFreshness
from serving.gateway.model_client import ModelClient
from serving.gateway.predictor import Predictor
from serving.gateway.recent_texts import RecentTexts
from serving.gateway.routing import TrafficFile
from serving.gateway.shadows import Shadows
from serving.gateway.tracing import TRACE_HEADER, read_trace_id
from serving.monitoring.metrics import NO_VERSION, GatewayMetrics

__all__ = ["FeatureReader", "GatewayConfig", "create_app"]

MAX_BODY_BYTES: Final = 16 * 1024 * 1024

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def create_app(config: GatewayConfig) -> Flask:
    """Builds the application; connects to the model server on the first request."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    metrics = GatewayMetrics(CollectorRegistry() if config.registry is None else config.registry, config.multiprocess)
    if config.features is not None:
        metrics.add(FeatureFreshness(config.features))
    client = ModelClient(config.model_grpc, config.model_name)
    calls = CountedCalls(client, metrics)
    shadows, recent = Shadows(calls, metrics, config.timeout_s), _keep_texts(config)
    predictor = Predictor(client, calls, shadows, TrafficFile(config.traffic), recent)
    app.extensions["recent_texts"] = recent
    spec = make_spec()
    admission = app.extensions[EXTENSION] = Admission(config.max_in_flight, config.max_queued, metrics)
    app.register_blueprint(make_api(config, spec, client, predictor, admission, metrics))
    if config.inbox is not None:
        app.register_blueprint(make_feedback(spec, Inbox(config.inbox), admission))
    app.register_blueprint(make_pages(spec))
    app.add_url_rule("/", "page", _page)
    register_error_handlers(app)
    _measure_requests(app, metrics)
    return app


def _keep_texts(config: GatewayConfig) -> RecentTexts | None:
    if config.recent_texts_file is None or not config.recent_texts:
        return None
    return RecentTexts(config.recent_texts_file, config.recent_texts)


def _page() -> str:
    return render_template("index.html", regions=REGIONS, products=sorted(PRODUCTS), max_chars=MAX_TEXT_CHARS)


def _measure_requests(app: Flask, metrics: GatewayMetrics) -> None:
    @app.before_request
    def start_clock() -> None:
        g.started, g.trace_id = time.perf_counter(), read_trace_id(request.headers.get("traceparent"))

    @app.after_request
    def finish(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unmatched"
        method = request.method if request.url_rule or request.method in _METHODS else "other"
        version = g.get("model_version", NO_VERSION)
        metrics.requests.labels(route, method, str(response.status_code), version).inc()
        exemplar = {"trace_id": g.trace_id}
        metrics.request_duration.labels(route, version).observe(time.perf_counter() - g.started, exemplar)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers[TRACE_HEADER] = g.trace_id
        return response
