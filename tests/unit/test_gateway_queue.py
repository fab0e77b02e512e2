"""The queue of the gateway's server: who waits, who goes first, who is refused."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry
from waiting import wait_until

from serving.gateway.admission import BOUNDED, Admission
from serving.gateway.listening import SPARE_THREADS
from serving.gateway.waitress_queue import Dispatcher
from serving.monitoring.metrics import GatewayMetrics

AT_ONCE, QUEUED = 1, SPARE_THREADS + 3
"""Threads that are spare take predictions too, so that three of the queue wait for one."""


@dataclass
class Crowd:
    """Requests, which a closed door keeps busy."""

    door: threading.Event = field(default_factory=threading.Event)
    served: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def request(self, name, path):
        def service():
            self.door.wait(10)
            self.served.append(name)

        def refuse(admission):
            if path in BOUNDED:
                self.refused.append(name)
            return path in BOUNDED

        waiting = [SimpleNamespace(path=path, error=None)]
        return SimpleNamespace(requests=waiting, service=service, refuse=refuse, cancel=service)


@pytest.fixture
def dispatcher():
    dispatcher = Dispatcher(Admission(AT_ONCE, QUEUED, GatewayMetrics(CollectorRegistry())))
    yield dispatcher
    dispatcher.shutdown(timeout=1)


def fill(dispatcher, crowd):
    """As many predictions as there are threads, each with one."""
    for number in range(AT_ONCE + SPARE_THREADS):
        dispatcher.add_task(crowd.request(f"busy {number}", BOUNDED[0]))
    wait_until(lambda: dispatcher.active_count == AT_ONCE + SPARE_THREADS and not dispatcher.queue)


def test_a_moment_s_crowd_waits_and_only_what_finds_no_place_is_refused(dispatcher):
    crowd = Crowd()
    fill(dispatcher, crowd)
    for name in "abcde":
        dispatcher.add_task(crowd.request(name, BOUNDED[0]))
    crowd.door.set()
    wait_until(lambda: len(crowd.served) == AT_ONCE + QUEUED)
    assert {"a", "b", "c"} <= set(crowd.served)
    assert crowd.refused == ["d", "e"]


def test_health_goes_before_the_predictions_that_wait_and_is_never_refused(dispatcher):
    crowd = Crowd()
    fill(dispatcher, crowd)
    for name in "abc":
        dispatcher.add_task(crowd.request(name, BOUNDED[0]))
    dispatcher.add_task(crowd.request("health", "/healthz"))
    assert [task.requests[0].path for task in dispatcher.queue] == ["/healthz", *[BOUNDED[0]] * 3]
    crowd.door.set()
    wait_until(lambda: len(crowd.served) == AT_ONCE + QUEUED + 1)
    assert not crowd.refused


WHOLE = b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "other",
    [
        WHOLE[:-1],
        WHOLE + b"GET / HTTP/1.1\r\n\r\n",
        WHOLE.replace(b"Host: x", b"Content-Length: 9"),
        WHOLE.replace(b"Content-Length: 2", b"X-Content-Length: 2"),
        WHOLE.replace(b"Host: x\r", b"Host: x"),
        WHOLE.replace(b"Host: x", b"Transfer-Encoding: chunked"),
        WHOLE.replace(b"Host: x", b"Connection: close"),
        WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        WHOLE.replace(b"/api/v1/predict", b"/healthz"),
        b"\xff\x00",
    ],
)
def test_only_whole_plain_requests_are_refused_before_they_are_parsed(other):
    admission = Admission(1, 0, GatewayMetrics(CollectorRegistry()))
    assert admission.refusal_unread(other) is None
    refusal = admission.refusal_unread(WHOLE)
    assert refusal is not None
    assert refusal.startswith(b"HTTP/1.1 429 ")
