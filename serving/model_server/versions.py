"""The versions of the served model: their states, and leases that keep one loaded while it answers."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from serving.model_server.routes import ModelTarget
from serving.model_server.statuses import Code, StatusError, invalid_argument

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
    """All versions that this process has met; safe to use from several threads."""

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name
        self._statuses: dict[int, VersionStatus] = {}
        self._servables: dict[int, Servable] = {}
        self._leases: dict[int, int] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def lease(self, target: ModelTarget) -> "Iterator[Servable]":
        """Holds a loaded version: it is not unloaded before the block ends.

        Raises:
            StatusError: no such model, version or label.
        """
        with self._changed:
            servable = self._find(target)
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

    def publish(self, servable: "Servable") -> None:
        """Lets a loaded version answer requests."""
        with self._changed:
            self._servables[servable.version] = servable
            self._leases[servable.version] = 0
            self._statuses[servable.version] = VersionStatus(servable.version, State.AVAILABLE)

    def retire(self, version: int) -> None:
        """Takes a version out of service, waits for the requests in flight, then frees it."""
        with self._changed:
            servable = self._servables.pop(version)
            self._statuses[version] = VersionStatus(version, State.UNLOADING)
            self._changed.wait_for(lambda: self._leases[version] == 0)
        servable.close()
        self.mark(VersionStatus(version, State.END))

    def statuses(self, target: ModelTarget) -> list[VersionStatus]:
        """States, newest version first; a label in the target is ignored.

        Raises:
            StatusError: no such model or version.
        """
        with self._changed:
            known = dict(self._statuses) if target.name == self.model_name else {}
        if target.version is None:
            if not known:
                raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {target.name}")
            return [known[version] for version in sorted(known, reverse=True)]
        if target.version not in known:
            message = f"Could not find version {target.version} of model {target.name}"
            raise StatusError(Code.NOT_FOUND, message)
        return [known[target.version]]

    def _find(self, target: ModelTarget) -> "Servable":
        if not target.name:
            raise invalid_argument("ModelSpec has no name specified.")
        if target.label is not None:
            raise invalid_argument(f"Unrecognized servable version label: {target.label}")
        servables = self._servables if target.name == self.model_name else {}
        version = max(servables, default=None) if target.version is None else target.version
        if version is None or version not in servables:
            wanted = (
                f"Latest({target.name})" if target.version is None else f"Specific({target.name}, {target.version})"
            )
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return servables[version]
