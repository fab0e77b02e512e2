"""How many requests are worked on at once, how many wait for that, and what the rest is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from serving.gateway.errors import ApiError
from serving.monitoring.metrics import NO_VERSION, GatewayMetrics

RETRY_AFTER_S: Final = 1
EXTENSION: Final = "sazon_admission"
"""Where the application keeps it for its server, among its extensions."""
BOUNDED: Final = ("/api/v1/predict", "/api/v1/explain", "/api/v1/feedback")
"""Paths whose requests need a place."""

_CODE, _MESSAGE = "overloaded", "too many requests at once; try again soon"
_BODY: Final = json.dumps({"error": {"code": _CODE, "message": _MESSAGE}}).encode()
_REFUSAL: Final = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
    b"Retry-After: %d\r\nContent-Length: %d\r\n\r\n%b" % (RETRY_AFTER_S, len(_BODY), _BODY)
)


class Admission:
    """Lets a bounded number of requests in; the rest is told at once to come back.

    Attributes:
        at_once: so many are worked on at the same time.
        places: so many are let in; those that are not worked on yet wait, without a thread.
    """

    def __init__(self, at_once: int, queued: int, metrics: GatewayMetrics) -> None:
        self.at_once, self.places = at_once, at_once + queued
        self._free, self._metrics = threading.BoundedSemaphore(self.places), metrics

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Holds a place while a request is answered.

        Raises:
            ApiError: 429, every place is taken.
        """
        if not self._free.acquire(blocking=False):
            self._metrics.refused.inc()
            raise ApiError(429, _CODE, _MESSAGE, RETRY_AFTER_S)
        self._metrics.in_flight.inc()
        try:
            yield
        finally:
            self._metrics.in_flight.dec()
            self._free.release()

    def refusal(self, method: str, path: str) -> bytes | None:
        """The whole answer for a request that meets a full server, counted as given.

        Servers send it without a thread, Flask or the body's content: a refusal that costs a tenth of an answer leaves
        the rest of the processor to those who were let in.

        Returns:
            None for requests that need no place and must be answered.
        """
        if method != "POST" or path not in BOUNDED:
            return None
        self._metrics.refused.inc()
        self._metrics.requests.labels(path, method, "429", NO_VERSION).inc()
        return _REFUSAL

    def refusal_unread(self, arrived: bytes) -> bytes | None:
        """The same, for bytes that nobody has parsed yet.

        Returns:
            None also for what is no whole request, and for any that is not as plain as clients usually send.
        """
        return self.refusal(*_line(arrived)) if _is_whole(arrived) else None


def _line(arrived: bytes) -> tuple[str, str]:
    r"""Method and path.

    >>> _line(b"POST /api/v1/predict?lang=es HTTP/1.1\r\n")
    ('POST', '/api/v1/predict')
    """
    method, _, rest = arrived.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
    return method, rest.partition(" ")[0].partition("?")[0]


def _is_whole(arrived: bytes) -> bool:
    r"""Whether these bytes are one request of HTTP/1.1 that keeps its connection, with its whole body.

    Where in doubt it is not: what a proxy in between takes for part of a body must not be answered as a request.

    >>> _is_whole(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    True
    >>> _is_whole(b"POST / HTTP/1.1\r\nX-Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
    False
    """
    head, ended, body = arrived.partition(b"\r\n\r\n")
    line, *lines = head.lower().split(b"\r\n")
    fields = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in lines)]
    lengths = [value for name, value in fields if name == b"content-length"]
    is_plain = (
        line.endswith(b" http/1.1")
        and head.count(b"\n") == len(lines)
        and b"transfer-encoding" not in head.lower()
        and (b"connection", b"close") not in fields
    )
    return bool(ended) and is_plain and lengths == [str(len(body)).encode()]
