"""A second answer by a version on trial, which no caller sees or waits for."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from sazon.logging import get_logger
from serving.gateway.calls import Ask, CountedCalls
from serving.gateway.deadlines import Deadline
from serving.gateway.errors import ApiError
from serving.gateway.predictions import Prediction
from serving.gateway.routing import Target
from serving.monitoring.metrics import SHADOW, GatewayMetrics

_THREADS: Final = 2
_PENDING: Final = 32

_log = get_logger("gateway")


class Shadows:
    """A few threads and a short queue: what does not fit is dropped and counted, so that callers never pay."""

    def __init__(self, calls: CountedCalls, metrics: GatewayMetrics, timeout_s: float) -> None:
        self._calls, self._metrics, self._timeout_s = calls, metrics, timeout_s
        self._places = threading.BoundedSemaphore(_PENDING)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="shadow")

    def send(self, ask: Ask, version: int, told: Sequence[Prediction]) -> None:
        """Asks a version what it would have answered.

        Args:
            ask: the request that was answered.
            version: the version on trial.
            told: what the caller was told.
        """
        if not self._places.acquire(blocking=False):
            self._metrics.shadow_dropped.inc()
            return
        self._pool.submit(self._compare, ask, version, told)

    def close(self) -> None:
        """Drops what waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _compare(self, ask: Ask, version: int, told: Sequence[Prediction]) -> None:
        try:
            later = replace(ask, deadline=Deadline.after(self._timeout_s))
            _, answers = self._calls.predict(later, Target(SHADOW, version))
            for answer, known in zip(answers, told, strict=True):
                self._count("sentiment", version, answer.sentiment == known.sentiment)
                self._count("tastes", version, set(answer.tastes) == set(known.tastes))
        except ApiError:
            pass  # counted as the outcome of its call
        except Exception:
            _log.exception("a shadow of version %s failed", version)
        finally:
            self._places.release()

    def _count(self, output: str, version: int, agrees: bool) -> None:
        self._metrics.shadow_agreement.labels(str(version), output, str(agrees).lower()).inc()
