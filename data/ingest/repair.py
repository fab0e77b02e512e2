"""Mending of text that was decoded wrongly on its way here."""

from typing import Final

import polars as pl
from ftfy import TextFixerConfig, fix_text

# What cannot stand in good Spanish text: traces of UTF-8 read as Windows-1252, control characters, HTML entities.
_SUSPICIOUS: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffd\ufffe]|[ÂÃâÅÐðËÎÏ][^\x00-\x7f]|&[#a-zA-Z]"
_COMBINING: Final = r"\p{M}"
# Typography is the writer's own.
_CONFIG: Final = TextFixerConfig(uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False)


def repair(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Repairs every cell of a frame of text.

    Returns:
        The frame in NFC, stripped, and how many cells were mended (a change of normal form alone does not count).
    """
    mended, columns = 0, {}
    for column in frame.get_columns():
        column, changed = _mend(column)
        mended += changed
        columns[column.name] = column
    return pl.DataFrame(columns), mended


def _mend(column: pl.Series) -> tuple[pl.Series, int]:
    suspicious = column.str.contains(_SUSPICIOUS)
    changed = 0
    if suspicious.any():
        before = column.filter(suspicious)
        after = pl.Series(column.name, [fix_text(cell, _CONFIG) for cell in before], dtype=pl.String)
        changed = int((before != after).sum())
        column = column.scatter(suspicious.arg_true(), after.str.strip_chars())
    if column.str.contains(_COMBINING).any():
        column = column.str.normalize("NFC")
    return column, changed
