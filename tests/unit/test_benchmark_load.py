"""The load of the serving benchmarks counts every request once, whatever becomes of it; and how growth is judged."""

import http.server
import threading
import time

import pytest

from benchmarks.serve_wire import LOST, Wire, post
from benchmarks.soak import growth


@pytest.fixture
def port():
    """Of a server that answers 200, 429 and closes, in turn."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version, count = "HTTP/1.1", 0

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/slow":
                time.sleep(0.1)
            Handler.count += 1
            if Handler.count % 3 == 0:
                self.close_connection = True
                return
            self.send_response(200 if Handler.count % 3 == 1 else 429)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_each_request_at_a_fixed_rate_is_recorded_once(port):
    records = Wire(port, [post("/", b"{}")], time.monotonic()).fixed_rate(200, 0.15)
    assert sorted(status for _, _, status in records) == [LOST] * 10 + [200] * 10 + [429] * 10
    assert sorted(round(due_s * 200) for due_s, _, _ in records) == list(range(30))


def test_clients_that_keep_to_a_rate_ask_no_more_while_all_wait(port):
    began_s = time.monotonic()
    records = Wire(port, [post("/", b"{}")], began_s).paced(8, 100, lambda: time.monotonic() < began_s + 0.3)
    assert 20 <= len(records) <= 31
    began_s = time.monotonic()
    slow = Wire(port, [post("/slow", b"{}")], began_s)
    records = slow.paced(2, 100, lambda: time.monotonic() < began_s + 0.3)
    assert len(records) <= 2 * 4


def test_clients_of_a_closed_loop_go_on_after_a_lost_answer(port):
    until_s = time.monotonic() + 0.1
    wire = Wire(port, [post("/", b"{}")], time.monotonic())
    records = wire.closed_loop(2, lambda: time.monotonic() < until_s)
    assert {status for _, _, status in records} == {200, 429, LOST}


def test_a_server_that_is_away_loses_everything():
    records = Wire(1, [post("/", b"{}")], time.monotonic()).fixed_rate(100, 0.05)
    assert [status for _, _, status in records] == [LOST] * 5


def test_growth_forgives_the_first_third_and_nothing_later():
    minutes = [float(minute) for minute in range(30)]
    assert growth(minutes, [50.0] * 5 + [100.0] * 25) == pytest.approx(0)
    assert growth(minutes, [100.0 + minute for minute in minutes]) == pytest.approx(19 / 119.5, rel=0.01)
