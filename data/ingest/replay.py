"""Quarantined rows once more: those that were mended go to the store, the others stay."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from data.ingest.ingestion import ingest_source
from data.ingest.kinds import Kind
from data.ingest.mapping import Mapping
from data.ingest.quarantine import EXPLANATION, unguard
from data.ingest.report import Report
from data.ingest.sources import Chunk, Rejected, Source
from data.store import Store
from sazon.errors import DataError


def replay_all(store: Store, *, near: bool) -> Iterator[Report]:
    """Replays every quarantine file of a store."""
    for path in sorted(store.quarantine.glob("*.csv")):
        yield replay_file(store, path, near=near)


def replay_file(store: Store, path: Path, *, near: bool) -> Report:
    """Replays one quarantine file, or a mended copy of it of the same name in any format.

    The rows that are still bad go into a new file, with their old numbers; where none was mended the file is left as
    it is.

    Raises:
        DataError: it is no quarantine file.
    """
    source = _Quarantined(path, store.kind)
    try:
        report = ingest_source(store, source, Mapping(), near=near, keep_if_nothing_new=False)
    finally:
        source.close()
    old = store.quarantine / f"{path.stem}.csv"
    if report.batch is None:
        report.quarantine = path
    elif old != report.quarantine:
        old.unlink(missing_ok=True)
        if path.parent == store.quarantine:
            path.unlink(missing_ok=True)
    return report


class _Quarantined(Source):
    """Takes the explanation apart from the cells; a record that never had cells, and got none, is still rejected."""

    def __init__(self, path: Path, kind: Kind) -> None:
        super().__init__(path, [*EXPLANATION, *kind.columns])
        self._kind = kind

    def chunks(self) -> Iterator[Chunk]:
        for chunk in super().chunks():
            missing = {*EXPLANATION} - {*self.names}
            if missing:
                raise DataError(f"{self.place}: no quarantine file (column {sorted(missing)[0]} is missing)")
            yield self._unpack(chunk)

    def _unpack(self, chunk: Chunk) -> Chunk:
        frame = unguard(chunk.frame)
        rows = frame["row"].str.strip_suffix(".0").cast(pl.Int64, strict=False)
        rows = rows.zip_with(rows.is_not_null(), chunk.rows).alias("row")
        cells = [name for name in self._kind.columns if name in frame.columns]
        empty = (frame["column"] == "") & frame.select(pl.all_horizontal(pl.col(cells) == "")).to_series()
        records = frame.select("value", "reason").filter(empty)
        rejected = [Rejected(row, *record) for row, record in zip(rows.filter(empty), records.iter_rows(), strict=True)]
        self.names = cells
        kept = frame.select(cells).filter(~empty)
        return Chunk(kept, rows.filter(~empty), [*chunk.rejected, *rejected])
