"""Follows the directory of one model: wanted versions load before those no longer wanted unload."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sazon.logging import get_logger
from serving.model_server.model_configs import ServedModel
from serving.model_server.routes import MAX_VERSION
from serving.model_server.statuses import Code, StatusError
from serving.model_server.versions import State, Versions, VersionStatus

if TYPE_CHECKING:
    from serving.model_server.servable import Servable

MAX_MESSAGE_CHARS: Final = 500

_log = get_logger("model_server")


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and at what distance, the load of a broken version is tried again."""

    max_retries: int = 5
    interval_s: float = 60.0


@dataclass
class _Failure:
    code: Code
    message: str
    attempts: int
    next_at: float
    ended: bool


def numbered_folders(base_path: Path) -> dict[int, Path]:
    """Directories whose names are versions; `00000003` is 3, other names are ignored.

    Raises:
        OSError: the base path cannot be listed.
    """
    return {
        int(entry.name): entry
        for entry in sorted(base_path.iterdir())
        if entry.name.isascii() and entry.name.isdigit() and int(entry.name) <= MAX_VERSION and entry.is_dir()
    }


class VersionWatcher:
    """Keeps the versions of a model in step with its directory and its policy."""

    def __init__(
        self,
        model: ServedModel,
        versions: Versions,
        load: "Callable[[Path, int], Servable]",
        poll_s: float = 1.0,
        retries: RetryPolicy = RetryPolicy(),
    ) -> None:
        """Watches nothing yet; see `start`.

        Args:
            model: where the versions lie, and which are wanted.
            versions: the record to keep up to date.
            load: makes a servable of a folder and its number.
            poll_s: seconds between two looks at the directory; 0 looks once, a negative number never.
            retries: for broken versions.
        """
        self._model: ServedModel | None = model
        self._versions, self._load = versions, load
        self._poll_s, self.retries = poll_s, retries
        self._failures: dict[int, _Failure] = {}
        self._wanted: dict[int, Path] | None = None
        self._wake = threading.Event()
        self._absence_logged = False

    def start(self, stop: threading.Event) -> None:
        """Follows the directory in a thread of its own, until `stop` is set or the model is dropped."""
        name = f"versions-{self._versions.model_name}"
        threading.Thread(target=self._follow, args=(stop,), name=name, daemon=True).start()

    def update(self, model: ServedModel | None) -> None:
        """Takes a new policy or base path; None drops the model: all its versions unload."""
        if model != self._model:
            self._model, self._wanted = model, None
            self._wake.set()

    def tick(self) -> None:
        """Looks once, and does what directory and policy ask for."""
        wanted = self._look()
        if wanted is None:
            return
        for version in self._failures.keys() - wanted.keys():
            self._end(version, self._failures.pop(version))
        for version in sorted(wanted, reverse=True):
            self._retire_unwanted(wanted)
            if version not in self._versions.loaded():
                self._try_load(version, wanted[version])
        self._retire_unwanted(wanted)
        if wanted:
            self._versions.note_attempts()

    def _follow(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            try:
                self.tick()
            except Exception:
                _log.exception("watching model %s failed; trying again", self._versions.model_name)
            if self._model is None and not self._versions.loaded():
                return
            self._wake.wait(self._pause_s())

    def _pause_s(self) -> float:
        now = time.monotonic()
        retries = [failure.next_at - now for failure in self._failures.values() if not failure.ended]
        return max(0.0, min([self._poll_s if self._poll_s > 0 else 1.0, *retries]))

    def _look(self) -> dict[int, Path] | None:
        model = self._model
        if model is None:
            return {}
        if self._poll_s < 0 or (self._poll_s == 0 and self._wanted is not None):
            return self._wanted
        try:
            present = numbered_folders(model.base_path)
        except OSError as error:
            self._log_absence(f"cannot list {model.base_path}: {error.strerror}")
            return None
        if present:
            self._absence_logged = False
        else:
            self._log_absence(f"no versions under {model.base_path} yet")
        self._wanted = {version: present[version] for version in model.policy.choose(list(present))}
        return self._wanted

    def _try_load(self, version: int, folder: Path) -> None:
        failure = self._failures.get(version)
        if failure and (failure.ended or time.monotonic() < failure.next_at):
            return
        self._versions.mark(VersionStatus(version, State.LOADING))
        try:
            servable = self._load(folder, version)
        except Exception as error:
            self._note_failure(version, error)
            return
        self._failures.pop(version, None)
        self._versions.publish(servable)
        _log.info("model %s version %d is available", self._versions.model_name, version)

    def _note_failure(self, version: int, error: Exception) -> None:
        before = self._failures.get(version)
        attempts = before.attempts + 1 if before else 1
        ended = attempts > self.retries.max_retries
        failure = _Failure(_code(error), _one_line(error), attempts, time.monotonic() + self.retries.interval_s, ended)
        self._failures[version] = failure
        _log.error("model %s version %d cannot be loaded: %s", self._versions.model_name, version, failure.message)
        if ended:
            self._end(version, failure)

    def _end(self, version: int, failure: _Failure) -> None:
        self._versions.mark(VersionStatus(version, State.END, failure.code, failure.message))

    def _retire_unwanted(self, wanted: dict[int, Path]) -> None:
        loaded = self._versions.loaded()
        if wanted and not wanted.keys() & set(loaded):
            return
        for version in loaded:
            if version not in wanted:
                self._versions.retire(version)
                _log.info("model %s version %d is unloaded", self._versions.model_name, version)

    def _log_absence(self, message: str) -> None:
        if not self._absence_logged:
            _log.warning("%s; waiting", message)
        self._absence_logged = True


def _code(error: Exception) -> Code:
    if isinstance(error, StatusError):
        return error.code
    return Code(getattr(error, "error_code", Code.UNKNOWN))


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]}…"
