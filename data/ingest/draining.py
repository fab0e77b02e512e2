"""The inbox into the store, by the way that files go."""

import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from data.ingest.inbox import Inbox
from data.ingest.ingestion import ingest_source
from data.ingest.mapping import Mapping
from data.ingest.report import Report
from data.ingest.sources import Source
from data.store import Store


def drain_inbox(inbox: Inbox, store: Store, *, near: bool) -> Report | None:
    """Ingests the rows that wait; None where none does. Killed half-way, the next call counts duplicates, no more."""
    rows, last = inbox.waiting()
    if not rows:
        return None
    with tempfile.TemporaryFile() as stream:
        stream.write("\n".join(rows).encode())
        source = Source(Path("inbox.jsonl"), [], cast(BinaryIO, stream))
        report = ingest_source(store, source, Mapping(), near=near)
    inbox.forget(last)
    return report
