"""A file into the store: as a whole or not at all, once, and onward from where a killed attempt stopped."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from data.ingest.judging import Judge
from data.ingest.mapping import Mapping
from data.ingest.quarantine import write_quarantine
from data.ingest.report import COUNTS, PARTS, Report
from data.ingest.sources import Source
from data.ingest.staging import Staging
from data.store import Batch, Store

Progress = Callable[[int, int], None]
"""Is told bytes read and bytes in all."""

_DIGEST_CHARS: Final = 32
_REMEMBERED_ROWS: Final = 500_000


def ingest_file(
    store: Store,
    path: Path,
    mapping: Mapping | None = None,
    *,
    near: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Ingests one file.

    Args:
        store: where its rows go.
        path: the file; `-` is standard input.
        mapping: from its columns to the contract's.
        near: whether near duplicates are sought.
        progress: is told how far it is.

    Returns:
        What became of its rows: none is missing from the counts.

    Raises:
        DataError: it is not there, not readable, or lacks a column; nothing was stored.
    """
    mapping = mapping or Mapping()
    source = Source(path, mapping.wanted(store.kind))
    try:
        return ingest_source(store, source, mapping, near=near, progress=progress)
    finally:
        source.close()


def ingest_source(
    store: Store,
    source: Source,
    mapping: Mapping,
    *,
    near: bool,
    progress: Progress | None = None,
    keep_if_nothing_new: bool = True,
) -> Report:
    """As `ingest_file`, of an open source.

    Args:
        store: see there, as for the others.
        source: what to read.
        mapping: from its columns to the contract's.
        near: whether near duplicates are sought.
        progress: is told how far it is.
        keep_if_nothing_new: whether a source of which no row is good leaves a batch and a quarantine file.
    """
    with store.lock():
        return _Ingestion(store, source, mapping, near, progress).run(keep_if_nothing_new)


def batch_digest(store: Store, source_digest: str, mapping: Mapping) -> str:
    """Names a batch by what goes in: the bytes, and how they are read."""
    named = f"{store.kind.name}\n{source_digest}\n{mapping.model_dump_json()}"
    return hashlib.sha256(named.encode()).hexdigest()[:_DIGEST_CHARS]


class _Ingestion:
    def __init__(self, store: Store, source: Source, mapping: Mapping, near: bool, progress: Progress | None) -> None:
        self._store, self._source, self._progress = store, source, progress
        self._batch = batch_digest(store, source.examined.digest, mapping)
        self._judge = Judge(store.kind, mapping, source.place, near=near)
        self._report = Report(source.place, batch=self._batch, encoding=source.examined.encoding.name)

    def run(self, keep_if_nothing_new: bool) -> Report:
        self._report.format = self._source.format
        if self._source.format not in ("CSV", "JSON lines"):
            self._report.encoding = ""
        self._store.sweep()
        staging = Staging(self._store.staging, self._batch, self._store.generation())
        staging.sweep()
        if (known := self._store.find(self._batch)) is not None:
            return self._repeat(known)
        staging.begin()
        self._remember_store()
        self._judge_chunks(staging)
        self._report.details, self._report.ignored = self._source.details, self._judge.ignored
        if keep_if_nothing_new or self._report.counts["accepted"] + self._report.counts["duplicates"]:
            self._commit(staging)
        else:
            self._report.batch = None
        staging.end()
        return self._report

    def _repeat(self, known: Batch) -> Report:
        """The very same file again: every row that was taken then is a duplicate now."""
        self._report.known = True
        counts = self._report.counts
        counts.update(rows=known.rows, duplicates=known.accepted + known.duplicates)
        counts.update(quarantined=known.quarantined, rejected=known.rejected)
        path = self._quarantine_path
        self._report.quarantine = path if path.exists() else None
        return self._report

    def _remember_store(self) -> None:
        rows = self._store.keys(self._judge.remembered)
        if rows is not None:
            for part in rows.collect_batches(chunk_size=_REMEMBERED_ROWS):
                self._judge.remember(part)

    def _judge_chunks(self, staging: Staging) -> None:
        for number, chunk in enumerate(self._source.chunks()):
            judged = staging.load(number)
            if judged is None:
                judged = self._judge.judge(chunk, self._source.names)
                staging.keep(number, judged)
            else:
                self._judge.remember(judged.accepted)
            self._report.counts.update(judged.counts)
            self._report.redacted.update(judged.redacted)
            if self._progress:
                self._progress(self._source.position, self._source.examined.size)

    def _commit(self, staging: Staging) -> None:
        ingested_at, counts = datetime.now(UTC), self._report.counts
        if counts["rows"] != sum(counts[part] for part in PARTS):
            raise AssertionError(f"{self._source.place}: rows do not add up: {dict(counts)}")
        if counts["accepted"]:
            _divide(staging, self._store.kind.time, self._batch, ingested_at)
        if counts["quarantined"] + counts["rejected"]:
            self._report.quarantine = self._quarantine_path
            write_quarantine(self._quarantine_path, (part for part in staging.bad() if part.height))
        figures = {name: counts[name] for name in COUNTS if name != "repaired"}
        digest = self._source.examined.digest
        batch = Batch(self._batch, self._source.place, digest, **figures, ingested_at=ingested_at)
        self._store.commit(batch, staging.partitions)

    @property
    def _quarantine_path(self) -> Path:
        return self._store.quarantine / f"{self._batch}.csv"


def _divide(staging: Staging, time: str, batch: str, ingested_at: datetime) -> None:
    """Streams the accepted rows into a file a day."""
    rows = staging.accepted().with_columns(
        day=pl.col(time).cast(pl.Date),
        ingested_at=pl.lit(ingested_at).cast(pl.Datetime("us", "UTC")),
        batch=pl.lit(batch),
    )
    target = pl.PartitionBy(staging.partitions, key="day", include_key=False)
    rows.sink_parquet(target, mkdir=True, maintain_order=True)
