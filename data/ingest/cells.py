"""Values of typed formats as the text cells that a CSV would have."""

from typing import Any

import orjson
import polars as pl

from sazon.schema import TASTE_SEPARATOR


def as_cell(value: Any) -> str:
    """A value of JSON.

    >>> as_cell(["picante", "acido"]), as_cell(5.0), as_cell(None)
    ('picante|acido', '5', '')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        return TASTE_SEPARATOR.join(map(as_cell, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return orjson.dumps(value).decode()


def as_cells(table: pl.DataFrame) -> pl.DataFrame:
    """A table of any types; absent values are ""."""
    return table.select([_as_text(name, kind).fill_null("") for name, kind in table.schema.items()])


def _as_text(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.String:
        return column
    if isinstance(kind, pl.List | pl.Array):
        listed = column.arr.to_list() if isinstance(kind, pl.Array) else column
        return listed.cast(pl.List(pl.String), strict=False).list.join(TASTE_SEPARATOR, ignore_nulls=True)
    if isinstance(kind, pl.Datetime):
        zone = "Z" if kind.time_zone else ""
        moment = column.dt.convert_time_zone("UTC") if kind.time_zone else column
        return moment.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.f{zone}")
    if kind.is_float():
        return column.cast(pl.String).str.strip_suffix(".0").replace("NaN", "")
    if isinstance(kind, pl.Struct):
        return column.struct.json_encode()
    return column.cast(pl.String, strict=False)
