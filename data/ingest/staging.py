"""Judged chunks of a batch under way, kept so that a killed ingest goes on where it stopped."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from data.ingest.judging import Judged
from sazon.home import atomic_directory, remove_partials


class Staging:
    """A folder of chunks, each there whole or not at all.

    Valid only while the store's rows are what they were when it was begun, since duplicates were told by them:
    its name says both.
    """

    def __init__(self, root: Path, batch: str, generation: str) -> None:
        self._root, self.folder = root, root / f"{batch}-{generation[:16] or 'empty'}"

    def begin(self) -> None:
        """Makes the folder, or cleans the one of a killed attempt. Call it while holding the store's lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_partials(self.folder)
        shutil.rmtree(self.partitions, ignore_errors=True)

    def sweep(self) -> None:
        """Removes what was begun when the store's rows were others. Call it while holding the store's lock."""
        generation = self.folder.name.rpartition("-")[2]
        for other in self._root.glob("*"):
            if not other.name.endswith(f"-{generation}"):
                shutil.rmtree(other)

    @property
    def partitions(self) -> Path:
        """Where the rows are divided by days."""
        return self.folder / "partitions"

    def keep(self, number: int, judged: Judged) -> None:
        """Keeps a chunk."""
        with atomic_directory(self._chunk(number)) as folder:
            judged.accepted.write_parquet(folder / "accepted.parquet")
            judged.bad.write_parquet(folder / "bad.parquet")
            figures = {"counts": judged.counts, "redacted": judged.redacted}
            (folder / "figures.json").write_text(json.dumps(figures))

    def load(self, number: int) -> Judged | None:
        """A chunk that was kept, else None."""
        folder = self._chunk(number)
        if not folder.exists():
            return None
        figures = json.loads((folder / "figures.json").read_text())
        accepted, bad = (pl.read_parquet(folder / f"{name}.parquet") for name in ("accepted", "bad"))
        return Judged(accepted, bad, figures["counts"], figures["redacted"])

    def accepted(self) -> pl.LazyFrame:
        """All accepted rows."""
        return pl.scan_parquet(sorted(self.folder.glob("chunk-*/accepted.parquet")))

    def bad(self) -> Iterator[pl.DataFrame]:
        """The lines of the quarantine file."""
        for path in sorted(self.folder.glob("chunk-*/bad.parquet")):
            yield pl.read_parquet(path)

    def end(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _chunk(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}"
