"""How a CSV file is punctuated, told from its first lines and the columns one hopes to find."""

import csv
import io
from collections.abc import Collection
from itertools import islice
from typing import Final, TextIO

from sazon.errors import DataError

_DELIMITERS: Final = (",", ";", "\t", "|", ":", "^")
_SAMPLED_RECORDS: Final = 200


def fold(name: str) -> str:
    """A column's name as it is compared.

    >>> fold(" Feedback_ID ")
    'feedback_id'
    """
    return name.strip().strip("\ufeff").casefold()


def sniff_dialect(sample: str, wanted: Collection[str], *, is_whole: bool) -> type[csv.Dialect]:
    """Chooses delimiter, quote and escape under which most wanted columns appear and most records fit the header.

    Args:
        sample: the beginning of the file.
        wanted: names of columns.
        is_whole: whether the sample is the whole file, whose last record is not cut therefore.
    """
    names = {fold(name) for name in wanted}
    escapes = (None, "\\") if '\\"' in sample or "\\'" in sample else (None,)
    dialects = [
        make_dialect(delimiter, quote, escape)
        for delimiter in _DELIMITERS
        for quote in ('"', "'")
        for escape in escapes
    ]
    return max(dialects, key=lambda dialect: _score(sample, dialect, names, is_whole))  # the first of equals


def make_dialect(mark: str, quote: str, escape: str | None) -> type[csv.Dialect]:
    """A dialect of Python's csv."""

    class Found(csv.Dialect):
        delimiter, quotechar, escapechar = mark, quote, escape
        doublequote, skipinitialspace, lineterminator, quoting = True, False, "\r\n", csv.QUOTE_MINIMAL

    return Found


def describe(dialect: type[csv.Dialect]) -> str:
    """For the report."""
    name = {"\t": "tab"}.get(dialect.delimiter, dialect.delimiter)
    escape = f", escape {dialect.escapechar}" if dialect.escapechar else ""
    return f"delimiter {name}, quote {dialect.quotechar}{escape}"


def _score(sample: str, dialect: type[csv.Dialect], names: set[str], is_whole: bool) -> tuple[int, float, int]:
    try:
        records = list(islice(csv.reader(io.StringIO(sample, newline=""), dialect), _SAMPLED_RECORDS))
    except csv.Error:
        return -1, 0.0, 0
    records = [cells for cells in records if any(cells)]
    if not records:
        return 0, 0.0, 0
    header, *rows = records if is_whole else records[:-1] or records
    known = len(names & {fold(cell) for cell in header})
    fitting = sum(len(cells) == len(header) for cells in rows) / max(1, len(rows))
    return known, fitting, len(header)


def read_header(text: TextIO, dialect: type[csv.Dialect], wanted: Collection[str], place: str) -> list[str]:
    """Reads the first record that is not blank; what follows it is left in `text`.

    Returns:
        Names of columns, each once; one without a name is called by its place, "#7".

    Raises:
        DataError: there is none, or a wanted column is there twice.
    """
    try:
        header = next(filter(any, csv.reader(iter(text.readline, ""), dialect)), [])
    except csv.Error as error:
        raise DataError(f"{place}: not readable as CSV: header: {error}") from None
    names = [name.strip().lstrip("\ufeff") for name in header]
    if not any(names):
        raise DataError(f"{place}: has no header")
    folded = [fold(name) for name in names]
    for name in sorted({fold(name) for name in wanted}):
        if folded.count(name) > 1:
            raise DataError(f"{place}: column {name} is there twice")
    return [name if name and name not in names[:at] else f"{name}#{at + 1}" for at, name in enumerate(names)]
