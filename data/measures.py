"""Rows of feedback and market data as numbers that can be added up: the contributions that figures are made of."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import pandas as pd
import polars as pl

from data.history import AT, KNOWN_AT
from sazon.schema import SENTIMENTS, TASTE_SEPARATOR, TASTES

BACKFILL: Final = timedelta(days=7)
"""What is ingested later than this after it happened counts as known when the last ingest of that day was done: history
loaded in many files is one state of knowledge, not many."""

MARKET_PERIOD: Final = timedelta(days=7)
"""A market row tells of the week that begins on its date, so it is known at the earliest when that week is over."""

_MOMENT: Final = pl.Datetime("us", "UTC")
_DAY: Final = timedelta(days=1)

FEEDBACK_MEASURES: Final = (
    "volume", "rating_sum", "rating_count", "labelled", *SENTIMENTS, "tasted", *(f"taste_{taste}" for taste in TASTES),
)  # fmt: skip
MARKET_MEASURES: Final = ("search_index", "units_sold", "price_pen")


def from_pandas(rows: pd.DataFrame) -> pl.LazyFrame:
    """Feedback rows of a table as `data.validation` or `models.inputs.raw_examples` give it."""
    found: dict[str, object] = {name: rows[name].astype(str).to_list() for name in ("product", "region")}
    for name in ("created_at", "ingested_at"):
        if name in rows:
            moments = pd.to_datetime(rows[name], utc=True, format="ISO8601").dt.as_unit("us")
            found[name] = pl.Series(name, moments.dt.tz_localize(None).to_numpy()).dt.replace_time_zone("UTC")
    found["rating"] = pl.Series("rating", rows["rating"].to_numpy("float64"), nan_to_null=True)
    if "sentiment" in rows:
        found["sentiment"] = pl.Series("sentiment", rows["sentiment"].to_list(), dtype=pl.String)
    if "tastes" in rows:
        told = rows["tastes_labelled"].astype(bool) if "tastes_labelled" in rows else rows["tastes"].notna()
        tastes = [list(cell) if known else None for cell, known in zip(rows["tastes"], told, strict=True)]
        found["tastes"] = pl.Series("tastes", tastes, dtype=pl.List(pl.String))
    return pl.LazyFrame(found)


def measure_feedback(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What each feedback row adds.

    Args:
        rows: `product`, `region`, `created_at` (UTC), `rating` (null = none); also `ingested_at` (UTC; without it a row
            is known when it happens), `sentiment` (null or "" = not labelled) and `tastes` (a list, null = not
            labelled; or labels joined by `|`, where "" of a row without a sentiment is not labelled).

    Returns:
        `product`, `region`, `AT` (when it happened), `KNOWN_AT` and `FEEDBACK_MEASURES`.
    """
    columns = rows.collect_schema()
    sentiment = pl.col("sentiment") if "sentiment" in columns else pl.lit(None, pl.String)
    sentiment = sentiment.cast(pl.String).replace("", None)
    tastes = _tastes(columns.get("tastes"), sentiment)
    rating = pl.col("rating").cast(pl.Float64, strict=False)
    return rows.select(
        pl.col("product", "region").cast(pl.String),
        pl.col("created_at").cast(_MOMENT).alias(AT),
        _known_at(pl.col("created_at"), columns),
        pl.lit(1, pl.Int32).alias("volume"),
        rating.fill_nan(None).fill_null(0.0).alias("rating_sum"),
        rating.fill_nan(None).is_not_null().cast(pl.Int32).alias("rating_count"),
        sentiment.is_not_null().cast(pl.Int32).alias("labelled"),
        *((sentiment == name).fill_null(False).cast(pl.Int32).alias(name) for name in SENTIMENTS),
        tastes.is_not_null().cast(pl.Int32).alias("tasted"),
        *(tastes.list.contains(name).fill_null(False).cast(pl.Int32).alias(f"taste_{name}") for name in TASTES),
    )


def measure_market(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What each market row adds: as `measure_feedback`, with `MARKET_MEASURES`; `AT` is when its week is over.

    Args:
        rows: columns as in `sazon.schema.MARKET_REQUIRED`, and perhaps `ingested_at`.
    """
    columns = rows.collect_schema()
    date = pl.col("date").str.to_date() if columns["date"] == pl.String else pl.col("date").cast(pl.Date)
    ends_at = date.cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + MARKET_PERIOD
    known = pl.max_horizontal(_known_at(ends_at, columns), ends_at)
    return rows.select(
        pl.col("product", "region").cast(pl.String),
        ends_at.alias(AT),
        known.alias(KNOWN_AT),
        *(pl.col(name).cast(pl.Float64).alias(name) for name in MARKET_MEASURES),
    )


def by_day(measured: pl.LazyFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Contributions to figures of whole days: summed by entity, end of the day and when they were known."""
    ends_at = pl.col(AT).dt.truncate("1d") + _DAY
    moved = measured.with_columns(ends_at.alias(AT), pl.max_horizontal(KNOWN_AT, ends_at).alias(KNOWN_AT))
    return moved.group_by(*keys, AT, KNOWN_AT).agg(pl.col(*FEEDBACK_MEASURES).sum()).collect()


def by_moment(measured: pl.LazyFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Contributions to figures that change with every row; a row counts from just after it was written."""
    after = pl.col(AT) + timedelta(microseconds=1)
    moved = measured.with_columns(after.alias(AT), pl.max_horizontal(KNOWN_AT, after).alias(KNOWN_AT))
    return moved.group_by(*keys, AT, KNOWN_AT).agg(pl.col("volume", "rating_sum", "rating_count").sum()).collect()


def _known_at(happened: pl.Expr, columns: pl.Schema) -> pl.Expr:
    happened = happened.cast(_MOMENT)
    if "ingested_at" not in columns:
        return happened.alias(KNOWN_AT)
    ingested = pl.col("ingested_at").cast(_MOMENT)
    last_of_day = ingested.max().over(ingested.dt.truncate("1d"))
    known = pl.when(ingested - happened > BACKFILL).then(last_of_day).otherwise(ingested)
    return pl.max_horizontal(known, happened).alias(KNOWN_AT)


def _tastes(dtype: pl.DataType | None, sentiment: pl.Expr) -> pl.Expr:
    if dtype is None:
        return pl.lit(None, pl.List(pl.String))
    if isinstance(dtype, pl.List):
        return pl.col("tastes").cast(pl.List(pl.String))
    cell = pl.col("tastes").cast(pl.String).fill_null("")
    labels = cell.str.split(TASTE_SEPARATOR).list.eval(pl.element().str.strip_chars())
    return pl.when((cell != "") | sentiment.is_not_null()).then(labels)
