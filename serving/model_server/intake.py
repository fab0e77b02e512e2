"""Lets requests in, until the server is to stop: then those in flight finish, and new ones are refused."""

import asyncio
import contextlib
from collections.abc import Iterator

from serving.model_server.statuses import Code, StatusError


class Intake:
    """Counts the requests in flight; used from the event loop only."""

    def __init__(self) -> None:
        self.closed = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        """Holds a place for a request.

        Raises:
            StatusError: the server is stopping.
        """
        if self.closed:
            raise StatusError(Code.UNAVAILABLE, "The server is stopping; ask another one")
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def drain(self, grace_s: float) -> int:
        """Refuses new requests and waits for those in flight; returns how many did not finish in time."""
        self.closed = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)
        return self._in_flight
