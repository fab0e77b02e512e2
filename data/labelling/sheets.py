"""Tasks as a CSV file for any spreadsheet, and its way back."""

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from data.ingest.dialects import fold, read_header, sniff_dialect
from data.ingest.encodings import examine
from data.labelling.book import Item
from data.labelling.deliveries import Delivery
from sazon.errors import DataError
from sazon.home import write_atomically
from sazon.schema import TASTE_SEPARATOR

_ANSWER: Final = ("task", "annotator", "sentiment", "tastes")
_COLUMNS: Final = ("task", "text", "product", "guessed_sentiment", "guessed_tastes", *_ANSWER[1:])
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_sheet(path: Path, items: Sequence[Item], annotator: str = "") -> None:
    """Writes tasks with empty cells for the answers; a text that a spreadsheet would run as a formula gets a quote."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for item in items:
        free = [_harmless(cell) for cell in (item.text, item.product)]
        writer.writerow([item.task, *free, item.guessed_sentiment, item.guessed_tastes, annotator, "", ""])
    write_atomically(path, "\ufeff" + stream.getvalue())  # the mark tells Excel that it is UTF-8


def read_sheet(path: Path, tasks: Collection[str], annotator: str = "") -> Delivery:
    """Reads answers from a CSV in any dialect and encoding.

    Args:
        path: has at least the columns task, sentiment, tastes; and annotator unless given.
        tasks: that may be answered.
        annotator: who answered, where a row does not say.

    Raises:
        DataError: no such file, or a column is missing.
    """
    delivery = Delivery(path.name, tasks)
    required = [column for column in _ANSWER if column != "annotator" or not annotator]
    for number, row in enumerate(_read_rows(path, required), 1):
        task, name, sentiment, tastes = (row.get(column, "").strip() for column in _ANSWER)
        if not sentiment and not tastes:
            delivery.blank += 1
            continue
        named = [taste.strip().lower() for taste in tastes.split(TASTE_SEPARATOR) if taste.strip()]
        delivery.take(f"row {number}", task, name or annotator, sentiment.lower(), named)
    return delivery


def _read_rows(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with path.open("rb") as stream:
        examined = examine(stream)
        sample = examined.head.decode(examined.encoding.codec, "replace")
        dialect = sniff_dialect(sample, _COLUMNS, is_whole=examined.size <= len(examined.head))
        text = io.TextIOWrapper(stream, examined.encoding.codec, examined.encoding.errors, newline="")
        names = [fold(name) for name in read_header(text, dialect, _ANSWER, path.name)]
        if missing := [column for column in required if column not in names]:
            raise DataError(f"{path.name}: missing column {', '.join(missing)} (found: {', '.join(names[:12])})")
        try:
            records = [record for record in csv.reader(text, dialect) if any(record)]
        except csv.Error as error:
            raise DataError(f"{path.name}: not readable as CSV: {error}") from None
    return [dict(zip(names, record, strict=False)) for record in records]


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
