"""Group bad_input: whatever arrives is refused in kind, and the server stays as it was."""

from pathlib import Path

import pytest

from tests.integration.model_server import bad_grpc, bad_http, bad_json
from tests.integration.model_server.bad_cases import PREDICT, Case
from tests.integration.model_server.process import Server
from tests.integration.model_server.requests import predict_request

CASES = (*bad_json.cases(), *bad_http.cases(), *bad_grpc.cases())
GROWTH_MB = 250
"""The largest bodies and what was made of them; glibc keeps some of it."""


def memory_mb(server: Server) -> float:
    """Resident memory."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


@pytest.fixture(scope="module")
def before(server) -> tuple[float, int]:
    """Memory and lines of the log, once the server has answered on both ports."""
    assert server.post(PREDICT, {"instances": ["abc"]})[0] == 200
    server.prediction.Predict(predict_request(b"abc"), timeout=10)
    return memory_mb(server), len(server.lines)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_is_refused(server, before, case: Case):
    assert case.send(server) in case.expected


def test_the_server_is_as_before(server, before):
    memory, lines = before
    assert server.process.poll() is None
    assert server.post(PREDICT, {"instances": [{"text": "abc"}]})[1]["predictions"][0]["label"] == "v1"
    assert list(server.prediction.Predict(predict_request(b"abc"), timeout=10).outputs["label"].string_val) == [b"v1"]
    assert server.states() == {"1": "AVAILABLE"}
    assert server.states("two") == {"2": "AVAILABLE", "3": "AVAILABLE"}
    assert memory_mb(server) < memory + GROWTH_MB
    assert not [line for line in server.lines[lines:] if "failed" in line or "Traceback" in line]
