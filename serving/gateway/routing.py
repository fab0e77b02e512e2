"""Which version of the model answers which request."""

import hashlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sazon.errors import ServingError
from sazon.logging import get_logger
from serving.traffic import CANARY, STABLE, Traffic

KEY_HEADER: Final = "X-Request-Key"
CHECK_S: Final = 0.1

_log = get_logger("gateway")


@dataclass(frozen=True)
class Target:
    """A version to ask, and why; version None: the latest that is served."""

    role: str
    version: int | None


class TrafficFile:
    """The traffic file as it is now; looked at ten times a second at most, read when it changed."""

    def __init__(self, path: Path | None, check_s: float = CHECK_S) -> None:
        self._path, self._check_s = path, check_s
        self._lock = threading.Lock()
        self._checked_at = float("-inf")
        self._seen: tuple[int, ...] = ()
        self._traffic = Traffic()

    def current(self) -> Traffic:
        """What it says; what it said before where it is damaged."""
        if (
            self._path is not None
            and time.monotonic() - self._checked_at >= self._check_s
            and self._lock.acquire(False)
        ):
            try:
                self._refresh(self._path)
                self._checked_at = time.monotonic()
            finally:
                self._lock.release()
        return self._traffic

    def _refresh(self, path: Path) -> None:
        mark = _mark(path)
        if mark == self._seen:
            return
        self._seen = mark
        try:
            self._traffic = Traffic.read(path)
            _log.info("traffic: %s", self._traffic)
        except (ServingError, OSError) as error:
            _log.error("traffic stays as it was: %s", error)


def choose_target(traffic: Traffic, key: str) -> Target:
    """The version that answers; the same key gets the same one as long as its share does not shrink.

    >>> choose_target(Traffic(stable=3, canary=4, canary_share=0.95), "store 17")
    Target(role='canary', version=4)
    """
    if traffic.canary is not None and _point(CANARY, key) < traffic.canary_share:
        return Target(CANARY, traffic.canary)
    return Target(STABLE, traffic.stable)


def choose_shadow(traffic: Traffic, key: str) -> int | None:
    """The version that answers too, unseen; None for no shadow."""
    return traffic.canary if _point("shadow", key) < traffic.shadow_share else None


def fall_back(target: Target, traffic: Traffic) -> list[Target]:
    """The target, and the stable one where its version is gone.

    Not the latest: after a restart in the middle of a rollout that is the version on trial.
    """
    stable = Target(STABLE, traffic.stable)
    return [target] if target.version == stable.version else [target, stable]


def _point(salt: str, key: str) -> float:
    """Where a key lies in [0, 1); salted, so that canary and shadow do not pick the same keys."""
    digest = hashlib.blake2b(f"{salt}:{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _mark(path: Path) -> tuple[int, ...]:
    """Changes with the file; a ConfigMap's is a link to another file each time."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size
