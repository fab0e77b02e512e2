"""Online features of a store that may come later than the gateway, or be away while it starts."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sazon.logging import get_logger
from serving.gateway.config import FeatureReader, Features

RETRY_S: Final = 15.0
FIRST_S: Final = 20.0  # less than the 30 s after which gunicorn ends a worker that says nothing

_log = get_logger("gateway")


class LateFeatureReader:
    """Reads from the store once it can be opened; until then nothing is known.

    Opening takes seconds, or for ever where a database does not answer, so no request waits for it: a thread tries it,
    again at the first request after `retry_s`.
    """

    def __init__(
        self,
        folder: Path,
        open_reader: Callable[[Path], FeatureReader] | None = None,
        retry_s: float = RETRY_S,
        first_s: float = FIRST_S,
    ) -> None:
        """Tries at once, so that a gateway that is ready has the features that are there.

        Args:
            folder: of the feature store, which need not be there yet.
            open_reader: makes the reader of it; None for Feast's.
            retry_s: seconds from the end of one try to the next.
            first_s: longest wait for the first try, in seconds; it goes on behind.
        """
        self._folder, self._open, self._retry_s = folder, open_reader or _open_feast, retry_s
        self._reader: FeatureReader | None = None
        self._trying = threading.Lock()
        self._again_at = 0.0
        self._said = ""
        self._start_try().join(first_s)

    def read(self, product: str, region: str) -> Features:
        """As the store's reader; empty while there is none."""
        reader = self._current()
        return {} if reader is None else reader.read(product, region)

    def read_context(self, product: str | None, region: str | None) -> list[float] | None:
        """As the store's reader; None while there is none."""
        reader = self._current()
        return None if reader is None else reader.read_context(product, region)

    def _current(self) -> FeatureReader | None:
        if self._reader is None and time.monotonic() >= self._again_at:
            self._start_try()
        return self._reader

    def _start_try(self) -> threading.Thread:
        thread = threading.Thread(target=self._try, name="features", daemon=True)
        self._again_at = time.monotonic() + self._retry_s  # for the requests until it ends
        thread.start()
        return thread

    def _try(self) -> None:
        if not self._trying.acquire(blocking=False):
            return
        try:
            if self._reader is None:
                self._look()
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            what = f"online features in {self._folder} cannot be opened ({type(error).__name__}: {reason})"
            self._say(logging.WARNING, what)
        finally:
            self._again_at = time.monotonic() + self._retry_s
            self._trying.release()

    def _look(self) -> None:
        if not (self._folder / "feature_store.yaml").exists():
            self._say(logging.INFO, f"no online features in {self._folder} yet (sazon features materialise)")
            return
        self._reader = self._open(self._folder)
        if self._said:
            _log.info("online features opened: %s", self._folder)

    def _say(self, level: int, what: str) -> None:
        """Once, not at every try."""
        if what != self._said:
            self._said = what
            _log.log(level, "%s; answers go out without them until the gateway finds them", what)


def _open_feast(folder: Path) -> FeatureReader:
    from serving.gateway.features import FeastFeatureReader

    return FeastFeatureReader(folder)
