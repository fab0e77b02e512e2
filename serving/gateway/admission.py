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
