"""What was materialised, and when."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from data.feature_status import STATUS_FILE, read_status
from data.history import EVENT_TIMESTAMP
from sazon.home import write_atomically


def note(folder: Path, view: str, keys: int, values: pl.DataFrame) -> None:
    """Records how a view stands now, beside what is known of the others.

    Args:
        folder: of the store.
        view: its name.
        keys: how many the online store holds.
        values: those that were looked at last.
    """
    now = datetime.now(UTC).isoformat()
    standing = {"keys": keys, "newest_at": newest_event(values), "materialised_at": now}
    write_atomically(folder / STATUS_FILE, json.dumps({**read_status(folder), view: standing}, indent=1))


def newest_event(values: pl.DataFrame) -> str | None:
    """ISO-8601; None where there are no values."""
    newest_at = values[EVENT_TIMESTAMP].max()
    return newest_at.isoformat() if isinstance(newest_at, datetime) else None
