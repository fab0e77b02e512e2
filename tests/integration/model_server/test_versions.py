"""Group versions: the directory is followed; new loads before old unloads."""

import http.client
import json
import threading

from waiting import wait_until

from tests.integration.model_server.process import Server

PREDICT = "/v1/models/m:predict"


def test_swaps_under_load_without_a_failed_request(tmp_path, exported):
    (tmp_path / "1").symlink_to(exported / "1")
    flags = ("--load_retry_interval_micros=100000", "--max_num_load_retries", "3", "--model_name=m")
    server = Server(f"--model_base_path={tmp_path}", *flags).wait_ready()
    labels: list[str] = []
    failures: list[object] = []
    done = threading.Event()

    def ask(own: list[str]) -> None:
        connection = http.client.HTTPConnection(server.rest, timeout=60)
        while not done.is_set():
            connection.request("POST", PREDICT, b'{"instances": ["a"]}')
            response = connection.getresponse()
            body = response.read()
            if response.status == 200:
                own.append(json.loads(body)["predictions"][0]["label"])
                labels.append(own[-1])
            else:
                failures.append((response.status, body))

    slow: list[int] = []
    in_flight = threading.Thread(
        target=lambda: slow.append(server.post(PREDICT, {"signature_name": "slow", "instances": [500]})[0])
    )
    answers: list[list[str]] = [[], [], []]
    askers = [threading.Thread(target=ask, args=(own,)) for own in answers]
    try:
        for asker in askers:
            asker.start()
        wait_until(lambda: len(labels) > 20)
        in_flight.start()
        (tmp_path / "2").symlink_to(exported / "2")
        wait_until(lambda: labels[-1] == "v2" and server.states() == {"2": "AVAILABLE", "1": "END"})
        (tmp_path / "3").mkdir()
        wait_until(lambda: server.states().get("3") == "LOADING")
        wait_until(lambda: server.states() == {"3": "END", "2": "AVAILABLE", "1": "END"})
        _, answer = server.get("/v1/models/m/versions/3")
        assert answer["model_version_status"][0]["status"]["error_code"] != "OK"
        (tmp_path / "2").unlink()
        (tmp_path / "3").rmdir()
        (tmp_path / "1").unlink()
        wait_until(lambda: server.states()["2"] == "END")
        assert server.post(PREDICT, {"instances": ["a"]})[1]["error"] == "Servable not found for request: Latest(m)"
    finally:
        done.set()
        for asker in [*askers, in_flight]:
            asker.join(30)
        code = server.stop()
    assert (slow, code) == ([200], 0)
    assert {status for status, _ in failures} <= {404}  # only after the directory was emptied
    for own in answers:  # a client that has seen a version never sees an older one
        assert own == sorted(own)
