"""Several workers: shared metrics, dead workers, a stop that drops nothing; and a rollout's traffic while it runs."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gateway_model import FakeModel, served
from waiting import wait_until

from serving.traffic import Traffic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def model():
    model = FakeModel()
    model.versions = {7: "positive", 8: "negative"}
    return model


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def gateway(model, home, tmp_path):
    """A gateway of two workers: its process, its address, and the directory of its temporary files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {
        **os.environ,
        "SAZON_HOME": str(home),
        "SAZON_GATEWAY__WORKERS": "2",
        "SAZON_GATEWAY__MAX_IN_FLIGHT": "16",
        "TMPDIR": str(scratch),
    }
    log = tmp_path / "gateway.log"
    with served(model, threads=32) as address, log.open("w") as stream:
        command = [sys.executable, "-m", "sazon.cli.main", "app", "--port", "0", "--model-grpc", address]
        process = subprocess.Popen(command, env=environment, stderr=stream)
        try:
            wait_until(lambda: "gateway ready" in log.read_text(), 60)
            url = re.search(r"http://[\d.:]+", log.read_text())[0]
            wait_until(lambda: call(f"{url}/healthz")[0] == 200, 60)
            yield process, url, scratch
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def call(url, document=None):
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def predict(url, text="hola"):
    return call(f"{url}/api/v1/predict", {"text": text})


def metric(url, name, **labels):
    """The sum of a metric's samples that have these labels."""
    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def workers(process):
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_every_scrape_shows_all_workers_and_a_dead_one_leaves_counts_but_no_gauges(gateway, model):
    process, url, scratch = gateway
    with ThreadPoolExecutor(8) as pool:
        assert {status for status, _ in pool.map(lambda _: predict(url), range(60))} == {200}
    calls = "sazon_gateway_calls_total"
    assert {metric(url, calls, outcome="ok") for _ in range(6)} == {60}

    model.delay_s = 3.0
    askers = [threading.Thread(target=lambda: ask_in_vain(url)) for _ in range(4)]
    for asker in askers:
        asker.start()
    wait_until(lambda: metric(url, "sazon_gateway_in_flight") == 4)
    before = workers(process)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    model.delay_s = 0.0
    wait_until(lambda: len(set(workers(process)) - set(before)) == 2)
    for asker in askers:
        asker.join(10)
    wait_until(lambda: is_answered(url))
    assert metric(url, "sazon_gateway_in_flight") == 0
    assert metric(url, calls, outcome="ok") >= 60
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert list(scratch.glob("sazon-gateway-metrics.*")) == []


def ask_in_vain(url):
    """A request that a killed worker may never answer."""
    with contextlib.suppress(OSError):
        predict(url)


def is_answered(url):
    try:
        return predict(url)[0] == 200
    except OSError:
        return False


def test_requests_in_flight_are_answered_when_the_gateway_is_told_to_stop(gateway, model):
    process, url, _ = gateway
    predict(url)
    model.delay_s = 1.5
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(predict, url) for _ in range(6)]
        wait_until(lambda: metric(url, "sazon_gateway_in_flight") == 6)
        process.send_signal(signal.SIGTERM)
        assert [answer.result()[0] for answer in answers] == [200] * 6
    assert process.wait(20) == 0


def test_no_request_fails_while_shares_and_versions_change(gateway, model, home):
    _, url, _ = gateway
    path, stop, seen = home / "traffic.json", threading.Event(), []

    def keep_asking(number):
        while not stop.is_set():
            seen.append(predict(url, f"texto {number} {len(seen) % 50}"))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(keep_asking, number) for number in range(4)]
        try:
            Traffic(stable=7).write(path)
            wait_until(lambda: seen and seen[-1][1].get("model_version") == "7")
            Traffic(stable=7, canary=8, canary_share=0.25).write(path)
            wait_until(lambda: {answer.get("model_version") for _, answer in seen[-50:]} == {"7", "8"})
            del model.versions[8]  # crashed, before the rollout noticed
            wait_until(lambda: metric(url, "sazon_gateway_calls_total", role="canary", outcome="not_found") > 3)
            model.versions[8] = "positive"
            Traffic(stable=8).write(path)
            wait_until(lambda: {answer.get("model_version") for _, answer in seen[-50:]} == {"8"})
        finally:
            stop.set()
        for one in asking:
            one.result()
    assert {status for status, _ in seen} == {200}
