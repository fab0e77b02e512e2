"""Follows the directory of versions: the newest number is served, and loads before its predecessor unloads."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sazon.errors import ServingError
from sazon.logging import get_logger
from serving.model_server.routes import MAX_VERSION
from serving.model_server.statuses import Code
from serving.model_server.versions import State, Versions, VersionStatus

if TYPE_CHECKING:
    from serving.model_server.servable import Servable

MAX_MESSAGE_CHARS = 500

_log = get_logger("model_server")


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and at what distance, the load of a broken version is tried again."""

    max_retries: int = 5
    interval_s: float = 60.0


@dataclass
class _Failure:
    version: int
    message: str
    attempts: int
    next_at: float


def newest_version(base_path: Path) -> tuple[int, Path] | None:
    """The directory with the greatest number; `00000003` is 3, other names are ignored.

    Raises:
        OSError: the base path cannot be listed.
    """
    numbered = [
        (int(entry.name), entry)
        for entry in base_path.iterdir()
        if entry.name.isascii() and entry.name.isdigit() and int(entry.name) <= MAX_VERSION and entry.is_dir()
    ]
    return max(numbered, default=None)


class VersionWatcher:
    """Keeps `versions` in step with the directory."""

    def __init__(
        self,
        base_path: Path,
        versions: Versions,
        load: "Callable[[Path, int], Servable]",
        poll_s: float = 1.0,
        retries: RetryPolicy = RetryPolicy(),
    ) -> None:
        self._base_path, self._versions, self._load = base_path, versions, load
        self._poll_s, self._retries = poll_s, retries
        self._failure: _Failure | None = None
        self._absence_logged = False

    def load_first(self, stop: threading.Event) -> None:
        """Waits for a version and loads it; returns early when `stop` is set.

        Raises:
            ServingError: the only version there is cannot be loaded.
        """
        while not stop.is_set() and not self._versions.loaded():
            self.tick()
            if self._failure is not None:
                raise ServingError(
                    f"{self._base_path}, version {self._failure.version}: cannot be loaded: {self._failure.message}"
                )
            if not self._versions.loaded():
                stop.wait(self._poll_s)

    def follow(self, stop: threading.Event) -> None:
        """Polls until `stop` is set."""
        while not stop.wait(self._poll_s):
            try:
                self.tick()
            except Exception:
                _log.exception("watching %s failed; trying again in %s s", self._base_path, self._poll_s)

    def tick(self) -> None:
        """Looks once, and does what the directory asks for."""
        try:
            newest = newest_version(self._base_path)
        except OSError as error:
            self._log_absence(f"cannot list {self._base_path}: {error.strerror}")
            return
        self._forget_failure(newest)
        if newest is None:
            self._log_absence(f"no versions under {self._base_path} yet")
            self._retire_all_but(None)
            return
        self._absence_logged = False
        version, folder = newest
        if version in self._versions.loaded() or self._try_load(version, folder):
            self._retire_all_but(version)

    def _try_load(self, version: int, folder: Path) -> bool:
        failure = self._failure
        if failure and (failure.attempts > self._retries.max_retries or time.monotonic() < failure.next_at):
            return False
        self._versions.mark(VersionStatus(version, State.LOADING))
        try:
            servable = self._load(folder, version)
        except Exception as error:
            self._note_failure(version, _one_line(error))
            return False
        self._failure = None
        self._versions.publish(servable)
        _log.info("model %s version %d is available", self._versions.model_name, version)
        return True

    def _note_failure(self, version: int, message: str) -> None:
        attempts = self._failure.attempts + 1 if self._failure else 1
        self._failure = _Failure(version, message, attempts, time.monotonic() + self._retries.interval_s)
        _log.error("model %s version %d cannot be loaded: %s", self._versions.model_name, version, message)
        if attempts > self._retries.max_retries:
            self._end_failure(self._failure)

    def _forget_failure(self, newest: tuple[int, Path] | None) -> None:
        if self._failure is not None and (newest is None or newest[0] != self._failure.version):
            self._end_failure(self._failure)
            self._failure = None

    def _end_failure(self, failure: _Failure) -> None:
        self._versions.mark(VersionStatus(failure.version, State.END, Code.UNKNOWN, failure.message))

    def _retire_all_but(self, kept: int | None) -> None:
        for version in self._versions.loaded():
            if version != kept:
                self._versions.retire(version)
                _log.info("model %s version %d is unloaded", self._versions.model_name, version)

    def _log_absence(self, message: str) -> None:
        if not self._absence_logged:
            _log.warning("%s; waiting", message)
        self._absence_logged = True


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]}…"
