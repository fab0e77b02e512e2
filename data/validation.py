"""The contract of a feedback file, checked cell by cell.

Every problem of every row is found in one pass, so that a file is mended once, not once per mistake.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import pandera.polars as pa
import polars as pl

from data.reading import read_cells
from data.rules import FEEDBACK, columns_of, find_failures
from sazon import schema
from sazon.errors import DataError


@dataclass(frozen=True)
class Problem:
    """One bad cell. `row` counts records from 1; the header is no record."""

    row: int
    column: str
    value: str
    reason: str

    def describe(self, name: str) -> str:
        """One line: thing, place, reason."""
        shown = self.value if len(self.value) <= 60 else self.value[:57] + "…"
        return f'{name}, row {self.row}, column {self.column}: "{shown}" {self.reason}'

    def as_dict(self) -> dict[str, int | str]:
        """For JSON."""
        return asdict(self)


def find_problems(table: pd.DataFrame, rules: pa.DataFrameSchema = FEEDBACK) -> list[Problem]:
    """Checks all rows of a table of text cells that has the columns which the rules look at.

    Args:
        table: the rows.
        rules: the whole contract by default.

    Returns:
        All problems, by row, then by column.
    """
    problems = [*_broken_characters(table), *_broken_rules(table, rules)]
    if rules is FEEDBACK:
        problems += [*_repeated_ids(table), *_splits(table)]
    return sorted(problems, key=lambda problem: (problem.row, problem.column))


def check_columns(table: pd.DataFrame, name: str) -> None:
    """Refuses a table without the required columns.

    Raises:
        DataError: one or more are missing.
    """
    missing = [column for column in schema.FEEDBACK_REQUIRED if column not in table.columns]
    if missing:
        raise DataError(f"{name}: missing column {', '.join(missing)} (found: {', '.join(table.columns[:12])})")


def read_feedback(path: Path) -> pd.DataFrame:
    """Reads a file that follows the contract.

    Returns:
        Columns as in `schema.FEEDBACK_REQUIRED` and whatever optional ones the file has: created_at as UTC timestamps,
        rating as float (NaN = none), tastes as a tuple of labels (None = not labelled), sentiment "" = not labelled.

    Raises:
        DataError: unreadable, a column is missing, or rows are bad (`problems` lists them all).
    """
    return type_feedback(read_cells(path), path)


def type_feedback(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Checks and types the cells of a file that was read already; see `read_feedback`."""
    check_columns(table, path.name)
    check_label_set(table, path.name)
    refuse_problems(find_problems(table), path, f"; see: sazon data validate {path}")
    return _typed(table)


def check_label_set(table: pd.DataFrame, name: str) -> None:
    """Refuses a table whose sentiments are all unknown: a file of another label set, not one with mistakes.

    Raises:
        DataError: several labels, and none of them is a sentiment.
    """
    found = sorted(set(table["sentiment"]) - {""})
    if len(found) > 1 and not set(found) & set(schema.SENTIMENTS):
        shown = ", ".join(found[:6]) + (", …" if len(found) > 6 else "")
        raise DataError(f"{name}, column sentiment: labels {shown} (want {', '.join(schema.SENTIMENTS)}, or nothing)")


def refuse_problems(problems: list[Problem], path: Path, remedy: str = "") -> None:
    """Turns problems into one error: the first in words, all in its list.

    Raises:
        DataError: there is a problem.
    """
    if problems:
        lines = tuple(problem.describe(path.name) for problem in problems)
        more = f" (and {len(lines) - 1} more{remedy})" if len(lines) > 1 else ""
        raise DataError(lines[0] + more, lines)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    known = [*schema.FEEDBACK_REQUIRED, *(name for name in schema.FEEDBACK_OPTIONAL if name in table)]
    typed = table[known].copy()
    typed["created_at"] = pd.to_datetime(table["created_at"], utc=True, format="ISO8601")
    typed["rating"] = pd.to_numeric(table["rating"].replace("", None))
    typed["tastes"] = type_tastes(table)
    return typed


def type_tastes(table: pd.DataFrame) -> list[tuple[str, ...] | None]:
    """The `tastes` cells of checked rows as tuples of labels, None for a row that nobody labelled.

    An empty cell says "none of the ten" only where somebody labelled tastes at all, and labelled this row.
    """
    file_has_tastes = bool((table["tastes"] != "").any())
    return [
        tuple(sorted(set(_labels(cell)), key=schema.TASTES.index)) if cell or (file_has_tastes and sentiment) else None
        for cell, sentiment in zip(table["tastes"], table["sentiment"], strict=True)
    ]


def _labels(cell: str) -> list[str]:
    return [label.strip() for label in cell.split(schema.TASTE_SEPARATOR) if label.strip()]


def _problems(table: pd.DataFrame, column: str, bad: pd.Series, reason: str) -> Iterator[Problem]:
    for index in table.index[bad]:
        yield Problem(int(index) + 1, column, str(table.at[index, column]), reason)


def _broken_rules(table: pd.DataFrame, rules: pa.DataFrameSchema) -> Iterator[Problem]:
    cells = {name: [_mend(cell) for cell in table[name]] for name in columns_of(rules)}
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    for index, column, reason in find_failures(frame, rules).iter_rows():
        yield Problem(index + 1, column, cells[column][index], reason)


def _mend(cell: str) -> str:
    """Half a surrogate pair can stand in JSON, and in no text that is written again."""
    return cell.encode("utf-8", "replace").decode()


def _broken_characters(table: pd.DataFrame) -> Iterator[Problem]:
    for column in [name for name in ("feedback_id", "text", "product", "category") if name in table]:
        broken = table[column].str.contains(r"[\ud800-\udfff]", regex=True)
        for problem in _problems(table, column, broken, "holds half a character (an unpaired surrogate)"):
            yield replace(problem, value=_mend(problem.value))


def _repeated_ids(table: pd.DataFrame) -> Iterator[Problem]:
    ids = table["feedback_id"]
    yield from _problems(table, "feedback_id", (ids != "") & ids.duplicated(), "occurs before in this file")


def _splits(table: pd.DataFrame) -> Iterator[Problem]:
    if "split" in table:
        filled = (table["split"] != "").any()
        good = table["split"].isin(schema.SPLITS) if filled else table["split"] == ""
        yield from _problems(table, "split", ~good, f"is not a split (want {', '.join(schema.SPLITS)} in every row)")
