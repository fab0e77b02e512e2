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
    mended = 0
    for name in _columns_with(_SUSPICIOUS, frame):
        column, changed = _mend(frame[name])
        frame, mended = frame.with_columns(column), mended + changed
    combining = _columns_with(_COMBINING, frame)
    return frame.with_columns(pl.col(combining).str.normalize("NFC")) if combining else frame, mended


def _columns_with(pattern: str, frame: pl.DataFrame) -> list[str]:
    found = frame.select(pl.all().str.contains(pattern).any())
    return [column.name for column in found.get_columns() if column.len() and column[0]]


def _mend(column: pl.Series) -> tuple[pl.Series, int]:
    suspicious = column.str.contains(_SUSPICIOUS)
    before = column.filter(suspicious)
    after = pl.Series([fix_text(cell, _CONFIG) for cell in before], dtype=pl.String).str.strip_chars()
    return column.scatter(suspicious.arg_true(), after), int((before != after).sum())
