"""The gateway as a process in front of a real model server, and its reader over a real Feast store."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

tf = pytest.importorskip("tensorflow")

from sazon.schema import TASTES  # noqa: E402
from serving.gateway.features import FeastFeatureReader  # noqa: E402

ROOT = Path(__file__).parents[2]
START_S, STOP_S = 60, 20
GATEWAY = """
import sys
from sazon.logging import configure_logging
from serving.gateway.app import GatewayConfig
from serving.gateway.server import run
configure_logging()
run(GatewayConfig(sys.argv[1], timeout_s=2.0), "127.0.0.1", 0)
"""


class Process:
    """A child that says on stderr when it is ready; stopped by its own pid."""

    def __init__(self, arguments: list[str], ready: str) -> None:
        command = [sys.executable, *arguments]
        self.popen = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._ready, self._mark = threading.Event(), ready
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.popen.stderr:
            self.lines.append(line.rstrip())
            if self._mark in line:
                self._ready.set()
        self._ready.set()

    def ready_line(self) -> str:
        assert self._ready.wait(START_S)
        line = next((line for line in self.lines if self._mark in line), None)
        assert line, self.lines
        return line.replace(",", "")

    def stop(self) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(STOP_S)
        finally:
            self.popen.kill()


def export(folder: Path) -> None:
    """A model with the taste signature: longer than ten bytes is positive and spicy."""

    class Toy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(self, text):
            long = tf.strings.length(text) > 10
            probs = tf.where(long[:, None], [[0.1, 0.2, 0.7]], [[0.7, 0.2, 0.1]])
            taste = tf.where(long[:, None], [[0.9] * len(TASTES)], [[0.1] * len(TASTES)])
            return {
                "sentiment": tf.where(long, "positive", "negative"),
                "sentiment_probs": probs,
                "tastes": tf.where(long, "picante|acido", ""),
                "taste_probs": taste,
            }

    module = Toy()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def call(url: str, document=None):
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_answers_through_the_model_server_and_survives_its_absence(tmp_path):
    export(tmp_path / "3")
    arguments = ["--model_name", "taste", "--model_base_path", str(tmp_path)]
    serve = ["-m", "serving.model_server", *arguments, "--rest_api_port", "0", "--port"]
    model = Process([*serve, "0"], "model server ready")
    address = model.ready_line().split()[6]
    gateway = Process(["-c", GATEWAY, address], "gateway ready")
    try:
        url = gateway.ready_line().split()[2]
        assert call(f"{url}/readyz") == (200, {"status": "ready", "model_version": "3"})
        status, answer = call(f"{url}/api/v1/predict", {"texts": ["riquísimo ceviche", "meh"]})
        first, second = answer["predictions"]
        assert (status, answer["model_version"]) == (200, "3")
        assert (first["sentiment"], first["tastes"]) == ("positive", ["picante", "acido"])
        assert (second["sentiment"], second["tastes"]) == ("negative", [])
        assert first["sentiment_probs"] == {"negative": 0.1, "neutral": 0.2, "positive": 0.7}

        status, answer = call(f"{url}/api/v1/explain", {"text": "hola"})
        assert (status, answer["error"]["code"]) == (501, "explanation_unavailable")

        assert model.stop() == 0
        status, answer = call(f"{url}/api/v1/predict", {"text": "hola"})
        assert (status, answer["error"]["code"]) == (503, "model_unavailable")
        assert call(f"{url}/readyz")[0] == 503
        assert call(f"{url}/healthz") == (200, {"status": "ok"})

        model = Process([*serve, address.split(":")[1]], "model server ready")
        model.ready_line()
        give_up_at = time.monotonic() + 10
        while call(f"{url}/readyz")[0] != 200:
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        assert call(f"{url}/api/v1/predict", {"text": "hola"})[0] == 200
        assert gateway.stop() == 0
    finally:
        model.stop()
        gateway.stop()


def test_explains_through_the_model_server(saved_model, tmp_path):
    (tmp_path / "5").symlink_to(saved_model)
    arguments = ["--model_name", "taste", "--model_base_path", str(tmp_path), "--port", "0", "--rest_api_port", "0"]
    model = Process(["-m", "serving.model_server", *arguments], "model server ready")
    _, _, _, _, rest, _, address, *_ = model.ready_line().split()
    gateway = Process(["-c", GATEWAY.replace("timeout_s=2.0", "timeout_s=30.0"), address], "gateway ready")
    try:
        url = gateway.ready_line().split()[2]
        texts = ["¡Qué RICO el ceviche! 😋", "pésimo"]
        status, answer = call(f"{url}/api/v1/explain", {"texts": texts})
        assert (status, answer["model_version"]) == (200, "5")
        predictions = call(f"{url}/api/v1/predict", {"texts": texts})[1]["predictions"]
        explanations = answer["explanations"]
        assert [row["sentiment"] for row in explanations] == [row["sentiment"] for row in predictions]
        words = explanations[0]["words"]
        assert [word["word"] for word in words] == ["¡", "Qué", "RICO", "el", "ceviche", "!", "😋"]
        assert all(texts[0][word["start"] : word["end"]] == word["word"] for word in words)
        assert max(abs(word["strength"]) for word in words) == 1

        asked = {"signature_name": "explain", "instances": [{"text": text} for text in texts]}
        status, answer = call(f"http://{rest}/v1/models/taste:predict", asked)
        first, second = answer["predictions"]
        assert status == 200
        assert len(first["tokens"]) == len(first["attributions"]) == len(second["tokens"])
        assert second["tokens"][-1] == ""
        assert gateway.stop() == 0
    finally:
        model.stop()
        gateway.stop()


def test_a_request_in_flight_is_answered_when_the_gateway_is_told_to_stop():
    silent = socket.create_server(("127.0.0.1", 0))
    gateway = Process(["-c", GATEWAY, f"127.0.0.1:{silent.getsockname()[1]}"], "gateway ready")
    try:
        url = gateway.ready_line().split()[2]
        answers: list[tuple[int, dict]] = []
        asker = threading.Thread(target=lambda: answers.append(call(f"{url}/api/v1/predict", {"text": "hola"})))
        asker.start()
        time.sleep(0.7)
        assert gateway.stop() == 0
        asker.join(10)
        assert answers[0][0] in (503, 504)
    finally:
        gateway.stop()
        silent.close()


def test_reads_the_features_of_a_product_in_a_region(tmp_path):
    feast = pytest.importorskip("feast")
    pandas = pytest.importorskip("pandas")
    from feast.types import Float32, Int64, String

    (tmp_path / "feature_store.yaml").write_text(
        "project: sazon\nregistry: registry.db\nprovider: local\n"
        "online_store: {type: sqlite, path: online.db}\nentity_key_serialization_version: 3\n"
    )
    now = datetime.now(UTC)
    frame = pandas.DataFrame(
        {
            "product": ["ceviche", "causa"],
            "region": ["Lima", "Lima"],
            "event_timestamp": [now - timedelta(hours=1)] * 2,
            "rating_mean_30d": [4.25, None],
            "volume_30d": [12, 3],
        }
    )
    frame.to_parquet(tmp_path / "stats.parquet")
    entities = [
        feast.Entity(name=name, join_keys=[name], value_type=feast.ValueType.STRING) for name in ("product", "region")
    ]
    view = feast.FeatureView(
        name="product_region_stats",
        entities=entities,
        ttl=timedelta(0),
        schema=[
            feast.Field(name="product", dtype=String),
            feast.Field(name="region", dtype=String),
            feast.Field(name="rating_mean_30d", dtype=Float32),
            feast.Field(name="volume_30d", dtype=Int64),
        ],
        source=feast.FileSource(path=str(tmp_path / "stats.parquet"), timestamp_field="event_timestamp"),
    )
    store = feast.FeatureStore(repo_path=str(tmp_path))
    store.apply([*entities, view])
    store.materialize(now - timedelta(days=1), now)

    reader = FeastFeatureReader(tmp_path)
    assert reader.read("ceviche", "Lima") == {"rating_mean_30d": 4.25, "volume_30d": 12}
    assert reader.read("causa", "Lima") == {"rating_mean_30d": None, "volume_30d": 3}
    assert reader.read("ceviche", "Puno") == {"rating_mean_30d": None, "volume_30d": None}
    results: list[object] = []
    readers = [threading.Thread(target=lambda: results.append(reader.read("ceviche", "Lima"))) for _ in range(8)]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join(30)
    assert results == [{"rating_mean_30d": 4.25, "volume_30d": 12}] * 8
