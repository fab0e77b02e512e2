"""How many requests are worked on at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from serving.gateway.errors import ApiError
from serving.monitoring.metrics import GatewayMetrics

RETRY_AFTER_S: Final = 1


class Admission:
    """Lets a bounded number of requests in; the rest is told at once to come back."""

    def __init__(self, limit: int, metrics: GatewayMetrics) -> None:
        self._places, self._metrics = threading.BoundedSemaphore(limit), metrics

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Holds a place while a request is answered.

        Raises:
            ApiError: 429, every place is taken.
        """
        if not self._places.acquire(blocking=False):
            self._metrics.refused.inc()
            raise ApiError(429, "overloaded", "too many requests at once; try again soon", RETRY_AFTER_S)
        self._metrics.in_flight.inc()
        try:
            yield
        finally:
            self._metrics.in_flight.dec()
            self._places.release()
