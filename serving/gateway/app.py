"""The gateway's Flask application."""

import time
from typing import Final

from flask import Flask, Response, g, render_template, request
from prometheus_client import CollectorRegistry

from data.catalogue import PRODUCTS
from sazon.schema import MAX_TEXT_CHARS, REGIONS
from serving.gateway.config import FeatureReader, GatewayConfig
from serving.gateway.errors import register_error_handlers
from serving.monitoring.metrics import NO_VERSION, GatewayMetrics

__all__ = ["FeatureReader", "GatewayConfig", "create_app"]

MAX_BODY_BYTES: Final = 16 * 1024 * 1024

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(config: GatewayConfig) -> Flask:
    """Builds the application; connects to the model server on the first request."""
    # The protocol's messages bring TensorFlow along; whoever only wants the configuration need not wait for it.
    from serving.gateway.api import make_api
    from serving.gateway.model_client import ModelClient

    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    metrics = GatewayMetrics(config.registry if config.registry is not None else CollectorRegistry())
    client = ModelClient(config.model_grpc, config.model_name, config.timeout_s)
    app.register_blueprint(make_api(client, metrics, config.feature_reader))
    app.add_url_rule("/", "page", _page)
    register_error_handlers(app)
    _measure_requests(app, metrics)
    return app


def _page() -> str:
    return render_template("index.html", regions=REGIONS, products=sorted(PRODUCTS), max_chars=MAX_TEXT_CHARS)


def _measure_requests(app: Flask, metrics: GatewayMetrics) -> None:
    @app.before_request
    def start_clock() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unmatched"
        method = request.method if request.url_rule or request.method in _METHODS else "other"
        version = g.get("model_version", NO_VERSION)
        metrics.requests.labels(route, method, str(response.status_code), version).inc()
        metrics.request_duration.labels(route, version).observe(time.perf_counter() - g.started)
        response.headers.extend(_HEADERS)
        return response


_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
