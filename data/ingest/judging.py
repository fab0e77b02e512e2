"""One chunk through all steps: mapped, repaired, checked, redacted, told from duplicates."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from data.duplicates import BANDS, NearDuplicates, near_keys
from data.ingest.kinds import Kind
from data.ingest.mapping import Mapping
from data.ingest.quarantine import EXPLANATION, explain
from data.ingest.repair import repair
from data.ingest.seen import KeySet, row_keys
from data.ingest.sources import Chunk, Rejected
from data.personal import redact_all
from data.rules import find_failures

_MAX_RAW_CHARS: Final = 10_000
_CONFLICT: Final = "was taken before, with other content"
_PERSONAL_KEY: Final = "holds an e-mail address (want a key that names nobody)"


@dataclass(frozen=True)
class Judged:
    """What became of a chunk.

    Attributes:
        accepted: typed rows with `content_key`, and `near_keys` and `near_duplicate_of` where those are sought.
        bad: lines of the quarantine file, rejected records among them.
        counts: rows, accepted, duplicates, near_duplicates, quarantined, rejected, repaired cells.
        redacted: replacements by kind of personal data.
    """

    accepted: pl.DataFrame
    bad: pl.DataFrame
    counts: dict[str, int]
    redacted: dict[str, int]


class Judge:
    """Judges the chunks of one file, in order."""

    def __init__(self, kind: Kind, mapping: Mapping, place: str, *, near: bool) -> None:
        self._kind, self._mapping, self._place = kind, mapping, place
        self._near = NearDuplicates() if near and kind.seeks_near_duplicates else None
        self._ids, self._contents = KeySet(), KeySet()
        self.ignored: list[str] = []

    @property
    def remembered(self) -> list[str]:
        """Columns of earlier rows that `remember` needs."""
        return [*self._kind.key, "content_key", *(["near_keys"] if self._near else [])]

    def remember(self, rows: pl.DataFrame) -> None:
        """Takes note of rows that were accepted before."""
        ids = self._id_keys(rows)
        self._ids.add(ids.to_numpy())
        self._contents.add(rows["content_key"].to_numpy())
        if self._near:
            self._near.match(_as_bands(rows["near_keys"]), rows[self._kind.key[0]])

    def judge(self, chunk: Chunk, names: list[str]) -> Judged:
        """Judges a chunk and takes note of what it accepts.

        Args:
            chunk: records of the file.
            names: all the columns that the file is known to have.

        Raises:
            DataError: the file lacks a required column.
        """
        bound = self._mapping.bind(names, self._kind, self._place) if names else None
        self.ignored = bound.ignored if bound else self.ignored
        cells = bound.apply(chunk.frame) if bound else self._no_cells()
        cells, repaired = repair(cells)
        failures = pl.concat([find_failures(cells, self._kind.rules), self._personal_keys(cells)])
        cells, redacted = self._redact(cells, failures["index"].unique().sort())
        good = (~pl.int_range(cells.height, eager=True).is_in(failures["index"].implode())).arg_true()
        typed = self._kind.type_cells(cells[good])
        typed = typed.with_columns(row_keys(typed, self._kind.content).alias("content_key"))
        new, taken = self._find_new(typed)
        conflicts = pl.DataFrame({"index": good.filter(taken).cast(pl.Int64)}).with_columns(
            column=pl.lit(self._kind.key[0]), reason=pl.lit(_CONFLICT)
        )
        failures = pl.concat([failures, conflicts]).sort("index", maintain_order=True)
        accepted = self._seek_near(typed.filter(new))
        bad = self._quarantine(failures, cells, chunk.rows)
        rejected, counts = self._reject(chunk.rejected)
        redacted.update(counts)
        duplicates = cells.height - accepted.height - bad.height
        near = accepted["near_duplicate_of"].count() if "near_duplicate_of" in accepted.columns else 0
        return Judged(
            accepted,
            pl.concat([bad, rejected]).sort("row", maintain_order=True),
            {
                "rows": cells.height + rejected.height,
                "accepted": accepted.height,
                "duplicates": duplicates,
                "near_duplicates": int(near),
                "quarantined": bad.height,
                "rejected": rejected.height,
                "repaired": repaired,
            },
            dict(redacted),
        )

    def _no_cells(self) -> pl.DataFrame:
        return pl.DataFrame(schema=dict.fromkeys(self._kind.columns, pl.String))

    def _personal_keys(self, cells: pl.DataFrame) -> pl.DataFrame:
        name = self._kind.key[0]
        index = cells[name].str.contains("@", literal=True).arg_true().cast(pl.Int64)
        return pl.DataFrame({"index": index}).with_columns(column=pl.lit(name), reason=pl.lit(_PERSONAL_KEY))

    def _redact(self, cells: pl.DataFrame, bad: pl.Series) -> tuple[pl.DataFrame, Counter[str]]:
        """Free columns of every row, and of a bad row all of them: nobody knows what stands where."""
        counts: Counter[str] = Counter()
        for name in self._kind.columns:
            free = name in self._kind.free
            chosen = cells[name] if free else cells[name].gather(bad)
            if not chosen.len():
                continue
            redacted = _redact_series(chosen, counts)
            cells = cells.with_columns(redacted if free else cells[name].scatter(bad, redacted))
        return cells, counts

    def _find_new(self, typed: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
        """Which checked rows are new, and which would be but that another row has their key."""
        ids, keys = self._id_keys(typed), typed["content_key"]
        fresh = keys.is_first_distinct() & ~pl.Series(self._contents.contains(keys.to_numpy()))
        free = ~pl.Series(self._ids.contains(ids.to_numpy()))
        first = (
            pl.DataFrame({"id": ids, "fresh": fresh}).select(pl.struct("id", "fresh").is_first_distinct()).to_series()
        )
        new = fresh & free & first
        self._ids.add(ids.filter(new).to_numpy())
        self._contents.add(keys.filter(new).to_numpy())
        return new, fresh & ~new

    def _id_keys(self, cells: pl.DataFrame) -> pl.Series:
        """Keys that hold for this process alone."""
        text = pl.concat_str([pl.col(name).cast(pl.String) for name in self._kind.key], separator="\x1f")
        return cells.select(text.hash(7).alias("id")).to_series()

    def _seek_near(self, typed: pl.DataFrame) -> pl.DataFrame:
        if not self._kind.seeks_near_duplicates:
            return typed
        if self._near is None:
            nothing = pl.lit(None, pl.String).alias("near_duplicate_of")
            return typed.with_columns(pl.lit(None, pl.Array(pl.UInt64, BANDS)).alias("near_keys"), nothing)
        bands = near_keys(typed["text"])
        near = self._near.match(bands, typed[self._kind.key[0]])
        return typed.with_columns(pl.Series("near_keys", bands, dtype=pl.Array(pl.UInt64, BANDS)), near)

    def _quarantine(self, failures: pl.DataFrame, cells: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
        explained = explain(failures, cells)
        index = explained["index"]
        lines = explained.with_columns(row=rows.gather(index)).select(EXPLANATION)
        return pl.concat([lines, cells[index]], how="horizontal")

    def _reject(self, records: Sequence[Rejected]) -> tuple[pl.DataFrame, Counter[str]]:
        counts: Counter[str] = Counter()
        raw = pl.Series("value", [record.raw[:_MAX_RAW_CHARS] for record in records], dtype=pl.String)
        lines = pl.DataFrame(
            {
                "row": pl.Series([record.row for record in records], dtype=pl.Int64),
                "column": pl.Series([""] * len(records), dtype=pl.String),
                "value": _redact_series(raw, counts),
                "reason": pl.Series([record.reason for record in records], dtype=pl.String),
            }
        )
        return lines.with_columns(pl.lit("").alias(name) for name in self._kind.columns), counts


def _redact_series(cells: pl.Series, counts: Counter[str]) -> pl.Series:
    """Each distinct cell once where cells repeat."""
    distinct = cells.unique(maintain_order=True)
    redacted, found = redact_all(distinct.to_list())
    if not found:
        return cells
    changed = pl.Series(redacted, dtype=pl.String)
    counts.update(found)
    return cells.replace(distinct.filter(distinct != changed), changed.filter(distinct != changed))


def _as_bands(keys: pl.Series) -> np.ndarray:
    """(rows, BANDS) of stored keys; zeros where a row was stored without."""
    return keys.arr.explode().to_numpy().reshape(-1, BANDS) if not keys.null_count() else _filled(keys)


def _filled(keys: pl.Series) -> np.ndarray:
    found = np.zeros((len(keys), BANDS), np.uint64)
    known = keys.is_not_null()
    if known.any():
        found[known.to_numpy()] = _as_bands(keys.filter(known))
    return found
