"""Group process: start, refusal to start, stop."""

import signal
import sys
import threading
import time

import pytest
from waiting import wait_until

from tests.integration.model_server.conftest import model_config, model_entry
from tests.integration.model_server.process import COMMAND, Server

HEALTH = "/grpc.health.v1.Health/Check"
MODULE = (sys.executable, "-m", "serving.model_server")


def is_healthy(server: Server) -> bool:
    """Asks as a probe of Kubernetes does: for the server as a whole, status SERVING (1) or not (2)."""
    answer = server.channel.unary_unary(HEALTH)(b"", timeout=10)
    assert answer in (b"\x08\x01", b"\x08\x02")
    return answer == b"\x08\x01"


@pytest.mark.parametrize("command", [COMMAND, MODULE], ids=["sazon", "module"])
def test_an_unknown_flag_is_one_clear_line(command):
    line = Server("--modle_name=x", command=command).wait_failed()
    assert "unrecognized arguments: --modle_name=x" in line


def test_a_broken_sole_version_ends_the_process(tmp_path):
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "saved_model.pb").write_bytes(b"not a model")
    line = Server(f"--model_base_path={tmp_path}", "--model_name=m").wait_failed()
    assert "1 model(s) did not become available: {{{name: m version: 5} due to error: " in line


def test_a_label_at_the_start_needs_the_flag(tmp_path, exported):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1").symlink_to(exported / "1")
    file = tmp_path / "models.config"
    file.write_text(model_config(model_entry("m", tmp_path / "m", 'version_labels { key: "s" value: 1 }')))
    line = Server(f"--model_config_file={file}").wait_failed()
    assert "Request to assign label to version 1 of model m" in line


def test_a_taken_port_ends_the_process(server, tmp_path, exported):
    (tmp_path / "1").symlink_to(exported / "1")
    flags = (f"--model_base_path={tmp_path}", f"--port={server.grpc.split(':')[1]}")
    assert f"cannot listen on {server.grpc}" in Server(*flags).wait_failed()


def test_opens_its_ports_only_after_the_first_load_and_stops_while_waiting(tmp_path):
    waiting = Server(f"--model_base_path={tmp_path / 'absent'}")
    wait_until(lambda: any("cannot list" in line for line in waiting.lines), 150)
    waiting.signal(signal.SIGINT)
    assert waiting.process.wait(30) == 0
    assert not any("ready" in line or "Traceback" in line for line in waiting.lines)


def test_a_stop_drains_what_is_in_flight_and_refuses_what_is_new(tmp_path, exported):
    (tmp_path / "1").symlink_to(exported / "1")
    server = Server(f"--model_base_path={tmp_path}", "--model_name=m", "--rest_api_num_threads=2").wait_ready()
    answers: list[tuple[int, dict]] = []
    document = {"signature_name": "slow", "instances": [600]}
    asking = threading.Thread(target=lambda: answers.append(server.post("/v1/models/m:predict", document)))
    asking.start()
    time.sleep(0.3)
    assert is_healthy(server)
    server.signal()
    time.sleep(0.1)
    assert not is_healthy(server)
    status, answer = server.post("/v1/models/m:predict", {"instances": ["a"]})
    assert (status, answer["error"]) == (503, "The server is stopping; ask another one")
    asking.join(60)
    assert answers == [(200, {"predictions": [600.0]})]
    assert server.process.wait(30) == 0
