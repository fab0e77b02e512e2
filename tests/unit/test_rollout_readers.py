"""Both readers see the same counters, whoever tells them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sazon.errors import ServingError
from serving.monitoring.metrics import GatewayMetrics
from serving.rollout.figures import Figures
from serving.rollout.metrics_reader import GatewayReader, PrometheusReader
from serving.rollout.sequential import Share


@pytest.fixture
def gateway_text():
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    for outcome, seconds in (("ok", 0.0012), ("ok", 0.02), ("internal", 0.3)):
        metrics.calls.labels("canary", "7", outcome).inc()
        metrics.inference_duration.labels("canary", "7", outcome).observe(seconds)
    metrics.calls.labels("stable", "none", "unavailable").inc()
    metrics.predictions.labels("canary", "7", "positive").inc(2)
    metrics.shadow_agreement.labels("7", "sentiment", "true").inc(9)
    metrics.shadow_agreement.labels("7", "sentiment", "false").inc()
    return generate_latest(registry)


@pytest.fixture
def server(gateway_text):
    """`/metrics` of a gateway, and the HTTP API of a Prometheus that scrapes it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = gateway_text if self.path == "/metrics" else api_answer(gateway_text)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    made = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def api_answer(text: bytes) -> bytes:
    samples = [sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples]
    result = [
        {"metric": {"__name__": one.name, "instance": "g:8080", **one.labels}, "value": [0, str(one.value)]}
        for one in samples
    ]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


def test_both_readers_see_the_same(server):
    (direct,) = GatewayReader(lambda: [f"{server}/metrics", "http://127.0.0.1:9/metrics"]).read().values()
    reading = PrometheusReader(server).read()
    assert reading == {"g:8080": direct}
    figures = Figures(direct)
    assert figures.calls("canary", 7) == 3
    assert figures.errors("canary", 7) == Share(1, 3)
    assert figures.slower_than("canary", 7, 0.0015) == Share(2, 3)
    assert figures.predicted("canary", 7) == {"positive": Share(2, 2)}
    assert figures.disagreement(7, "sentiment") == Share(1, 10)


@pytest.mark.parametrize(
    "reader", [GatewayReader(lambda: ["http://127.0.0.1:9/metrics"]), PrometheusReader("http://127.0.0.1:9")]
)
def test_nothing_to_read_is_an_error(reader):
    with pytest.raises(ServingError, match="cannot be read"):
        reader.read()
