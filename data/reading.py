"""Reading of whole feedback files into one table of text cells, by the reader that `sazon ingest` streams with."""

from contextlib import closing
from pathlib import Path

import pandas as pd
import polars as pl

from data.ingest.sources import ENDINGS, Source
from sazon.errors import DataError
from sazon.logging import get_logger
from sazon.schema import FEEDBACK_OPTIONAL, FEEDBACK_REQUIRED

_LOG = get_logger("data")
_USUAL = ("ASCII", "UTF-8", "UTF-8 with a byte order mark")


def read_cells(path: Path) -> pd.DataFrame:
    """Reads a file without judging its rows.

    Returns:
        One row a record, every cell a stripped str, absent values "". Row 1 is the first record.

    Raises:
        DataError: no such file, an unknown ending, an empty file, or content that is not of the format.
    """
    if path.is_file() and path.suffix.lower() not in ENDINGS:
        raise DataError(f'{path}: ending "{path.suffix}" is unknown (want {", ".join(ENDINGS)})')
    with closing(Source(path, [*FEEDBACK_REQUIRED, *FEEDBACK_OPTIONAL])) as source:
        chunks = list(source.chunks())
    for broken in (broken for chunk in chunks for broken in chunk.rejected):
        raise DataError(f"{path}, row {broken.row}: not readable as {source.format}: {broken.reason}")
    table = pl.concat([chunk.frame for chunk in chunks], how="diagonal").fill_null("") if chunks else pl.DataFrame()
    if table.is_empty():
        raise DataError(f"{path}: holds no row")
    if source.examined.encoding.name not in _USUAL:
        _LOG.info("%s: read as %s", path.name, source.examined.encoding.name)
    stripped = table.select(pl.all().str.strip_chars())
    return stripped.rename(lambda name: name.strip()).to_pandas()
