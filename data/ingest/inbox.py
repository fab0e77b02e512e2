"""Rows that programs sent, durable from the moment they are taken until an ingest has them in the store."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.personal import redact_all

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS inbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT, feedback_id TEXT NOT NULL UNIQUE, row TEXT
);
CREATE INDEX IF NOT EXISTS waiting ON inbox (place) WHERE row IS NOT NULL;
"""  # the id stays when the row has gone to the store; the index spares a look at all that ever came


@dataclass(frozen=True)
class Taken:
    """How many rows of one delivery were new, and how many had come before."""

    accepted: int
    duplicates: int


class Inbox:
    """A queue in one SQLite file; several processes may put, one drains."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, rows: Sequence[Mapping[str, str]]) -> Taken:
        """Takes rows, all or none; a row whose `feedback_id` came before changes nothing.

        Args:
            rows: text cells by column; personal data is replaced in `text` and `product` before anything is written.

        Raises:
            sqlite3.OperationalError: the file cannot be written now.
        """
        clean = [dict(row) for row in rows]
        for column in ("text", "product", "category"):
            redacted, _ = redact_all([row.get(column, "") for row in clean])
            for row, cell in zip(clean, redacted, strict=True):
                row[column] = cell
        with self._connect() as queue:
            before = queue.total_changes
            queue.executemany(
                "INSERT OR IGNORE INTO inbox (feedback_id, row) VALUES (?, ?)",
                [(row["feedback_id"], json.dumps(row, ensure_ascii=False)) for row in clean],
            )
            accepted = queue.total_changes - before
        return Taken(accepted, len(clean) - accepted)

    def waiting(self) -> tuple[list[str], int]:
        """Rows as JSON, in the order in which they came, and the place of the last."""
        if not self._path.exists():
            return [], 0
        with self._connect() as queue:
            found = queue.execute("SELECT place, row FROM inbox WHERE row IS NOT NULL ORDER BY place").fetchall()
        return [row for _, row in found], found[-1][0] if found else 0

    def forget(self, place: int) -> None:
        """Drops the rows up to a place: they are in the store."""
        with self._connect() as queue:
            queue.execute("UPDATE inbox SET row = NULL WHERE row IS NOT NULL AND place <= ?", (place,))

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block ends."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._path, timeout=5)) as queue:
            queue.execute("PRAGMA journal_mode = WAL")
            queue.execute("PRAGMA synchronous = FULL")
            queue.executescript(_SCHEMA)
            with queue:
                yield queue
