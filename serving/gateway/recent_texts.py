"""The latest texts, without personal data, for rollouts to replay."""

import json
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from data.personal import redact
from sazon.home import write_atomically
from sazon.logging import get_logger

_EVERY_S: Final = 10.0

_log = get_logger("gateway")


class RecentTexts:
    """A ring of so many texts, written to a file now and then by a thread of its own: requests only append.

    Several gateways on one file replace each other's: it holds what one of them saw last.
    """

    def __init__(self, path: Path, limit: int, every_s: float = _EVERY_S) -> None:
        self._path, self._every_s = path, every_s
        self._seen, self._kept = deque[str](maxlen=limit), deque[str](maxlen=limit)
        threading.Thread(target=self._write_on, name="recent-texts", daemon=True).start()

    def add(self, texts: Sequence[str]) -> None:
        """Takes in what was asked."""
        self._seen.extend(texts)

    def write(self) -> None:
        """Brings the file up to date; it is its owner's alone to read."""
        if not self._seen:
            return
        while self._seen:
            self._kept.append(redact(self._seen.popleft()).text)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path, "".join(f"{json.dumps({'text': text})}\n" for text in self._kept))

    def _write_on(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._every_s):
            try:
                self.write()
            except Exception:
                _log.exception("%s: the latest texts cannot be written", self._path)
