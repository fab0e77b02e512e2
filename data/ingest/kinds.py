"""The two kinds of data that come in: what their rows must have and how they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pandera.polars as pa
import polars as pl

from data.rules import FEEDBACK, MARKET, parse_time
from sazon import schema


@dataclass(frozen=True)
class Kind:
    """A kind of data.

    Attributes:
        name: as in the report.
        rules: what every row must fulfil.
        required, optional: columns, in the order in which they are stored.
        may_lack: required columns that may be empty, and that a file need not have therefore.
        key: columns that name a row.
        content: columns that, all the same, make a row a duplicate under another key.
        time: column that decides on the day under which a row is stored.
        free: columns in which people may have written anything.
        seeks_near_duplicates: whether texts that are nearly those of an earlier row are marked.
        typed: how cells of checked rows become values.
    """

    name: str
    rules: pa.DataFrameSchema
    required: tuple[str, ...]
    optional: tuple[str, ...]
    may_lack: tuple[str, ...]
    key: tuple[str, ...]
    content: tuple[str, ...]
    time: str
    free: tuple[str, ...]
    seeks_near_duplicates: bool
    typed: Mapping[str, pl.Expr]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return self.required + self.optional

    def type_cells(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Checked text cells as the values that are stored."""
        return frame.with_columns(**self.typed)


def _order_tastes(cells: pl.Series) -> pl.Series:
    """In the order of the contract, each once; there are few different cells."""
    ordered = {cell: schema.TASTE_SEPARATOR.join(_labels(cell)) for cell in cells.unique()}
    return cells.replace({cell: other for cell, other in ordered.items() if cell != other})


def _labels(cell: str) -> list[str]:
    found = {label.strip() for label in cell.split(schema.TASTE_SEPARATOR)}
    return [taste for taste in schema.TASTES if taste in found]


FEEDBACK_KIND: Final = Kind(
    name="feedback",
    rules=FEEDBACK,
    required=schema.FEEDBACK_REQUIRED,
    optional=schema.FEEDBACK_OPTIONAL,
    may_lack=("rating", "sentiment", "tastes"),
    key=("feedback_id",),
    content=schema.FEEDBACK_REQUIRED[1:],
    time="created_at",
    free=("text", "product", "category", *schema.FEEDBACK_OPTIONAL),
    seeks_near_duplicates=True,
    typed={
        "created_at": parse_time(pl.col("created_at")),
        "rating": pl.col("rating").str.head(1).cast(pl.Int8, strict=False),
        "tastes": pl.col("tastes").map_batches(_order_tastes, return_dtype=pl.String),
    },
)

MARKET_KIND: Final = Kind(
    name="market",
    rules=MARKET,
    required=schema.MARKET_REQUIRED,
    optional=(),
    may_lack=(),
    key=("date", "product", "region"),
    content=schema.MARKET_REQUIRED,
    time="date",
    free=("product",),
    seeks_near_duplicates=False,
    typed={
        "date": pl.col("date").str.to_date(),
        "search_index": pl.col("search_index").cast(pl.Float64),
        "units_sold": pl.col("units_sold").cast(pl.Float64).cast(pl.Int64),
        "price_pen": pl.col("price_pen").cast(pl.Float64),
    },
)
