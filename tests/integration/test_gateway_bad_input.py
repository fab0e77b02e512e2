"""Whatever is sent, the gateway answers in JSON, never with 500, and goes on."""

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import schemathesis
from gateway_bad_input import CASES, request
from gateway_model import FakeModel, served
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error

from serving.gateway.app import GatewayConfig, create_app

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

ANSWER_S = 20


@pytest.fixture(scope="module")
def model_address():
    with served(FakeModel(), threads=8) as address:
        yield address


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two workers"])
def port(request, model_address, tmp_path_factory):
    """Of a gateway with so many workers; whoever it is, it is alive and stops well in the end."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "SAZON_HOME": str(home), "SAZON_GATEWAY__WORKERS": str(request.param)}
    command = [sys.executable, "-m", "sazon.cli.main", "app", "--port", "0", "--model-grpc", model_address]
    log = home / "gateway.log"
    with log.open("w") as stream:
        gateway = subprocess.Popen(command, env=environment, stderr=stream)
    try:
        yield wait_for_port(log, gateway)
        assert gateway.poll() is None
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(20) == 0
        assert "Traceback" not in log.read_text()
    finally:
        gateway.kill()
        gateway.wait()


def wait_for_port(log, gateway):
    give_up_at = time.monotonic() + 60
    while "gateway ready: http://127.0.0.1:" not in log.read_text():
        assert gateway.poll() is None and time.monotonic() < give_up_at, log.read_text()
        time.sleep(0.05)
    return int(log.read_text().split("gateway ready: http://127.0.0.1:")[1].split(",")[0])


def send(port, wire):
    """Status, headers and body; None where the server only closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as connection:
        try:
            connection.sendall(wire)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # answered before all was sent
        received = b""
        try:
            while chunk := connection.recv(1 << 16):
                received += chunk
        except ConnectionError:
            pass
    if not received:
        return None, {}, b""
    answer = http.client.HTTPResponse(Received(received), method="HEAD" if wire.startswith(b"HEAD") else None)
    answer.begin()
    while answer.status == 100:
        answer.begin()
    return answer.status, answer.headers, answer.read()


class Received:
    def __init__(self, content):
        self._content = content

    def makefile(self, *_arguments):
        return io.BytesIO(self._content)


def test_bad_input_is_refused_in_json_and_never_fails(port):
    wrong = []
    for name, wire, fair in CASES:
        status, headers, body = send(port, wire)
        if status not in fair:
            wrong.append((name, status, body[:200]))
        elif status and status >= 400 and not wire.startswith(b"HEAD"):
            problem = json.loads(body)["error"] if headers["Content-Type"] == "application/json" else {}
            if not (problem.get("code") and problem.get("message")) or b"Traceback" in body:
                wrong.append((name, status, body[:200]))
    assert wrong == []
    assert len(CASES) >= 200
    assert send(port, request())[0] == 200


@pytest.mark.parametrize("route", ["predict", "explain", "healthz", "readyz"])
def test_the_api_does_what_its_description_says(model_address, route):
    described = schemathesis.openapi.from_wsgi("/openapi.json", create_app(GatewayConfig(model_address)))

    @given(described.find_operation_by_id(route).as_strategy())
    @settings(max_examples=80, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case):
        # A deadline of a millisecond is missed, as described.
        answer = case.call_and_validate(excluded_checks=[not_a_server_error])
        assert answer.status_code < 500 or answer.status_code == 504

    check()
