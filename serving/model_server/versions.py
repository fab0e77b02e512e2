"""The versions of one model: their states, and leases that keep one loaded while it answers."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from serving.model_server.statuses import Code, StatusError

if TYPE_CHECKING:
    from serving.model_server.servable import Servable


class State(IntEnum):
    """Life of a version; the values are the protocol's."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionStatus:
    """State of one version, with the error that ended it where there was one."""

    version: int
    state: State
    code: Code = Code.OK
    message: str = ""


class Versions:
    """All versions of a model that this process has met; safe to use from several threads."""

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name
        self._statuses: dict[int, VersionStatus] = {}
        self._servables: dict[int, Servable] = {}
        self._leases: dict[int, int] = {}
        self._attempted = False
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def lease(self, version: int | None) -> "Iterator[Servable]":
        """Holds a loaded version, the newest for None: it is not unloaded before the block ends.

        Raises:
            StatusError: it is not loaded.
        """
        with self._changed:
            servable = self._find(version)
            self._leases[servable.version] += 1
        try:
            yield servable
        finally:
            with self._changed:
                self._leases[servable.version] -= 1
                self._changed.notify_all()

    def loaded(self) -> tuple[int, ...]:
        """Versions that answer requests, in rising order."""
        with self._changed:
            return tuple(sorted(self._servables))

    def mark(self, status: VersionStatus) -> None:
        """Records a state that has no servable: LOADING, or END after a failed load."""
        with self._changed:
            self._statuses[status.version] = status
            self._changed.notify_all()

    def publish(self, servable: "Servable") -> None:
        """Lets a loaded version answer requests."""
        with self._changed:
            self._servables[servable.version] = servable
            self._leases[servable.version] = 0
            self._statuses[servable.version] = VersionStatus(servable.version, State.AVAILABLE)
            self._changed.notify_all()

    def retire(self, version: int) -> None:
        """Takes a version out of service, waits for the requests in flight, then frees it."""
        with self._changed:
            servable = self._servables.pop(version)
            self._statuses[version] = VersionStatus(version, State.UNLOADING)
            self._changed.wait_for(lambda: self._leases[version] == 0)
        servable.close()
        self.mark(VersionStatus(version, State.END))

    def statuses(self) -> list[VersionStatus]:
        """States, newest version first."""
        with self._changed:
            return [self._statuses[version] for version in sorted(self._statuses, reverse=True)]

    def note_attempts(self) -> None:
        """Records that each wanted version was tried at least once."""
        with self._changed:
            self._attempted = True
            self._changed.notify_all()

    def wait_settled(self, timeout_s: float) -> bool:
        """Waits until each wanted version was tried, and one is available or all have ended.

        Returns:
            False where time ran out before.
        """
        with self._changed:
            return self._changed.wait_for(self._is_settled, timeout_s)

    def _is_settled(self) -> bool:
        ended = all(status.state is State.END for status in self._statuses.values())
        return self._attempted and (ended or bool(self._servables))

    def _find(self, version: int | None) -> "Servable":
        found = max(self._servables, default=None) if version is None else version
        if found is None or found not in self._servables:
            raise not_found(self.model_name, version)
        return self._servables[found]


def not_found(model_name: str, version: int | None) -> StatusError:
    """The error for a model or version that is not loaded."""
    wanted = f"Latest({model_name})" if version is None else f"Specific({model_name}, {version})"
    return StatusError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
