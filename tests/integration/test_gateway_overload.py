"""More requests than places, at real servers: the rest is refused by the loop and the connection stays usable."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from gateway_model import FakeModel, served
from waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PATH, BODY = "/api/v1/predict", json.dumps({"text": "hola"})
AT_ONCE, QUEUED = 2, 2
"""Of all processes together."""
PLACES = AT_ONCE + QUEUED


@pytest.fixture(scope="module")
def model():
    return FakeModel()


@pytest.fixture(scope="module", params=[1, 2], ids=["waitress", "gunicorn"])
def address(request, model, tmp_path_factory):
    """Of a gateway that has few places."""
    folder = tmp_path_factory.mktemp("gateway")
    environment = {
        **os.environ,
        "SAZON_HOME": str(folder / "home"),
        "SAZON_GATEWAY__WORKERS": str(request.param),
        "SAZON_GATEWAY__MAX_IN_FLIGHT": str(AT_ONCE),
        "SAZON_GATEWAY__MAX_QUEUED": str(QUEUED),
    }
    log = folder / "gateway.log"
    with served(model, threads=32) as model_address, log.open("w") as stream:
        command = [sys.executable, "-m", "sazon.cli.main", "app", "--port", "0", "--model-grpc", model_address]
        process = subprocess.Popen(command, env=environment, stderr=stream)
        try:
            wait_until(lambda: "gateway ready" in log.read_text(), 60)
            yield re.search(r"http://([\d.:]+)", log.read_text())[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def ask(connection, body=BODY, path=PATH, **headers):
    connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    return response.status, response.headers, json.loads(response.read())


def metric(address, name):
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@pytest.fixture(scope="module")
def full(address, model):
    """More askers than all processes have places."""
    stop = threading.Event()
    model.delay_s = 0.2

    def keep_asking():
        connection = http.client.HTTPConnection(address, timeout=30)
        while not stop.is_set():
            if ask(connection)[0] == 429:
                time.sleep(0.1)
        connection.close()

    askers = [threading.Thread(target=keep_asking) for _ in range(8 * PLACES)]
    for asker in askers:
        asker.start()
    yield
    stop.set()
    model.delay_s = 0.0
    for asker in askers:
        asker.join(30)


def refused(address, **how):
    """The first refusal, and its connection."""
    for _ in range(50):
        connection = http.client.HTTPConnection(address, timeout=30)
        status, headers, answer = ask(connection, **how)
        if status != 200:
            return status, headers, answer, connection
        connection.close()
    raise AssertionError("never refused")


def test_what_does_not_fit_is_refused_and_its_connection_stays(full, address, model):
    before = metric(address, "sazon_gateway_refused_total")
    status, headers, answer, connection = refused(address)
    assert (status, answer["error"]["code"], headers["Retry-After"]) == (429, "overloaded", "1")
    port = connection.sock.getsockname()[1]
    wait_until(lambda: ask(connection)[0] == 200)
    assert connection.sock.getsockname()[1] == port
    connection.close()
    assert metric(address, "sazon_gateway_refused_total") > before
    assert (
        metric(address, 'sazon_gateway_requests_total{method="POST",model_version="none",route="/api/v1/predict"') > 0
    )


@pytest.mark.parametrize(
    "how",
    [{"Connection": "close"}, {"body": json.dumps({"texts": ["hola"] * 900})}, {"path": f"{PATH}?lang=en"}],
    ids=["closing", "large", "query"],
)
def test_every_form_of_a_request_is_refused(full, address, how):
    status, headers, answer, connection = refused(address, **how)
    assert (status, answer["error"]["code"], headers["Retry-After"]) == (429, "overloaded", "1")
    connection.close()


def test_health_and_metrics_are_answered_meanwhile(full, address):
    refused(address)[3].close()
    connection = http.client.HTTPConnection(address, timeout=30)
    for path in ("/healthz", "/metrics"):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        assert response.status == 200
    connection.close()
