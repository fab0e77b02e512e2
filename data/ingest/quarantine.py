"""The file in which bad rows wait: made to be mended in a spreadsheet and to be taken again."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

EXPLANATION: Final = ("row", "column", "value", "reason")
"""Columns before those of the contract: where in the source, what is wrong."""

_BETWEEN: Final = "; "
# A spreadsheet would run a cell that begins so.
_FORMULA: Final = r"^(['=+\-@\t\r])"
_GUARDED: Final = r"^'(['=+\-@\t\r])"


def explain(failures: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """One line for each bad row.

    Args:
        failures: `index`, `column`, `reason`.
        cells: the rows that the indices count, as text.

    Returns:
        `index`, `column`, `value`, `reason`, several of a row joined.
    """
    values = (
        cells.with_row_index("index")
        .with_columns(pl.col("index").cast(pl.Int64))
        .unpivot(index="index", variable_name="column")
    )
    found = failures.join(values, on=["index", "column"], how="left", maintain_order="left")
    return found.group_by("index", maintain_order=True).agg(
        pl.col("column", "value", "reason").fill_null("").str.join(_BETWEEN)
    )


def write_quarantine(path: Path, parts: Iterable[pl.DataFrame]) -> None:
    """Writes the file as a whole or not at all; with a byte order mark, so that spreadsheets read the accents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.partial")
    with staged.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = None
        for part in parts:
            if writer is None:
                writer = csv.writer(stream)
                writer.writerow(part.columns)
            writer.writerows(part.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'$1")).iter_rows())
        stream.flush()
        os.fsync(stream.fileno())
    staged.replace(path)


def unguard(frame: pl.DataFrame) -> pl.DataFrame:
    """Undoes what kept spreadsheets from running a cell."""
    return frame.with_columns(pl.col(pl.String).str.replace(_GUARDED, "$1"))
