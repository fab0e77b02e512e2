"""Where accepted rows are kept: Parquet by day, and a catalogue in which one transaction makes a batch visible.

<folder>/day=2025-07-28/<batch>.parquet   rows of that day
<folder>/catalogue.db                     batches and their files; a file that is not listed does not exist
<folder>/quarantine/<batch>.csv           bad rows of a batch, redacted
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl
from filelock import FileLock

from data.ingest.kinds import FEEDBACK_KIND, MARKET_KIND, Kind
from sazon.home import sync

KEYS: Final = ("content_key", "near_keys")
"""Columns by which duplicates are found; readers do not see them."""

_SYNCS_AT_ONCE: Final = 16
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS batches (
    digest TEXT PRIMARY KEY, source TEXT NOT NULL, source_digest TEXT NOT NULL, rows INTEGER NOT NULL,
    accepted INTEGER NOT NULL, duplicates INTEGER NOT NULL, near_duplicates INTEGER NOT NULL,
    quarantined INTEGER NOT NULL, rejected INTEGER NOT NULL, ingested_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, batch TEXT NOT NULL REFERENCES batches (digest), day TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class Batch:
    """What one ingest brought. `rows` is the sum of accepted, duplicates, quarantined and rejected."""

    digest: str
    source: str
    source_digest: str
    rows: int
    accepted: int
    duplicates: int
    near_duplicates: int
    quarantined: int
    rejected: int
    ingested_at: datetime


class Store:
    """Rows of one kind. Any number of processes may read while one writes."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.folder, self.kind = folder, kind

    @property
    def quarantine(self) -> Path:
        """Folder of the files of bad rows."""
        return self.folder / "quarantine"

    @property
    def staging(self) -> Path:
        """Folder of batches under way."""
        return self.folder / ".staging"

    def lock(self) -> FileLock:
        """Held by the one process that writes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "ingest.lock")

    def batches(self) -> list[Batch]:
        """All batches, the oldest first."""
        names = [field.name for field in fields(Batch)]
        with self._connect() as catalogue:
            found = catalogue.execute(f"SELECT {', '.join(names)} FROM batches ORDER BY rowid").fetchall()  # noqa: S608
        values = [dict(zip(names, row, strict=True)) for row in found]
        return [Batch(**{**one, "ingested_at": datetime.fromisoformat(one["ingested_at"])}) for one in values]

    def rows(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        ingested_by: datetime | None = None,
    ) -> pl.LazyFrame:
        """The accepted rows, by day.

        Args:
            since: of the row's own time, included.
            until: of the row's own time, not included.
            ingested_by: rows that were in the store at that moment.

        Returns:
            The columns of the contract, typed, with `near_duplicate_of` (feedback), `ingested_at` (UTC) and `batch`.
        """
        bounds = [("day >= ?", _day(since)), ("day <= ?", _day(until)), ("ingested_at <= ?", _moment(ingested_by))]
        used = [(condition, value) for condition, value in bounds if value is not None]
        files = self._files(" AND ".join(condition for condition, _ in used), [value for _, value in used])
        if not files:
            return pl.LazyFrame(schema=self._schema())
        found = pl.scan_parquet(files, hive_partitioning=False).select(list(self._schema()))
        time = pl.col(self.kind.time)
        if since is not None:
            found = found.filter(time >= self._bound(since))
        return found if until is None else found.filter(time < self._bound(until))

    def keys(self, columns: list[str]) -> pl.LazyFrame | None:
        """What duplicates are found by, of all rows in the order in which they came; None for an empty store."""
        files = self._files("", [], order="files.rowid")
        return pl.scan_parquet(files, hive_partitioning=False).select(columns) if files else None

    def generation(self) -> str:
        """The newest batch: changes whenever the rows do."""
        with self._connect() as catalogue:
            found = catalogue.execute("SELECT digest FROM batches ORDER BY rowid DESC LIMIT 1").fetchone()
        return str(found[0]) if found else ""

    def find(self, digest: str) -> Batch | None:
        """A batch by its digest."""
        return next((batch for batch in self.batches() if batch.digest == digest), None)

    def sweep(self) -> None:
        """Removes files that no batch lists: a killed ingest left them. Call it while holding the lock."""
        with self._connect() as catalogue:
            listed = {path for (path,) in catalogue.execute("SELECT path FROM files")}
        for path in self.folder.glob("day=*/*.parquet"):
            if str(path.relative_to(self.folder)) not in listed:
                path.unlink()

    def commit(self, batch: Batch, partitions: Path) -> None:
        """Makes a batch visible, whole. Call it while holding the lock.

        Args:
            batch: what it is.
            partitions: folder with `day=…/*.parquet` on the same file system; its files move into the store.
        """
        listed = []
        for staged in sorted(partitions.glob("day=*/*.parquet")):
            part = "" if staged.stem.strip("0") == "" else f"-{staged.stem.lstrip('0')}"
            path = self.folder / staged.parent.name / f"{batch.digest}{part}.parquet"
            path.parent.mkdir(exist_ok=True)
            staged.replace(path)
            listed.append((str(path.relative_to(self.folder)), batch.digest, path.parent.name.removeprefix("day=")))
        _sync_all([self.folder / path for path, _, _ in listed])
        with self._connect(writes=True) as catalogue:
            marks = ", ".join("?" for _ in fields(Batch))
            values = (*astuple(batch)[:-1], _moment(batch.ingested_at))
            catalogue.execute(f"INSERT INTO batches VALUES ({marks})", values)  # noqa: S608
            catalogue.executemany("INSERT INTO files VALUES (?, ?, ?)", listed)

    def _schema(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        cells = pl.DataFrame(schema=dict.fromkeys(self.kind.columns, pl.String))
        near = {"near_duplicate_of": pl.String()} if self.kind.seeks_near_duplicates else {}
        return {
            **self.kind.type_cells(cells).schema,
            **near,
            "ingested_at": pl.Datetime("us", "UTC"),
            "batch": pl.String,
        }

    def _bound(self, moment: datetime) -> datetime | date:
        return moment if self._schema()[self.kind.time] != pl.Date else moment.astimezone(UTC).date()

    def _files(self, condition: str, values: list[str], order: str = "day, path") -> list[str]:
        where = f"WHERE {condition}" if condition else ""
        query = f"SELECT path FROM files JOIN batches ON batch = digest {where} ORDER BY {order}"  # noqa: S608
        with self._connect() as catalogue:
            return [str(self.folder / path) for (path,) in catalogue.execute(query, values)]

    @contextlib.contextmanager
    def _connect(self, *, writes: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection that commits when the block ends well; a store without a catalogue reads as empty."""
        path = self.folder / "catalogue.db"
        there = path if writes or path.exists() else ":memory:"
        with contextlib.closing(sqlite3.connect(there, timeout=30)) as catalogue:
            catalogue.execute("PRAGMA synchronous = FULL")
            catalogue.executescript(_TABLES)
            with catalogue:
                yield catalogue


class FeedbackStore(Store):
    """What consumers wrote; at `$SAZON_HOME/feedback`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, FEEDBACK_KIND)


class MarketStore(Store):
    """What the market did; at `$SAZON_HOME/market`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, MARKET_KIND)


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).date().isoformat()


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _sync_all(files: list[Path]) -> None:
    """Waits until files and their folders are on disk; side by side, as there are hundreds of small ones."""
    folders = {path.parent for path in files} | {path.parent.parent for path in files}
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as threads:
        list(threads.map(sync, [*files, *folders]))
