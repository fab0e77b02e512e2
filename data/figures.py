"""The figures of the feature store: their names, and how they are computed from contributions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from data.history import AT, FIRST_KNOWN, KNOWN_AT, LAST_KNOWN, versions
from data.measures import MARKET_MEASURES, by_day, by_moment
from sazon.schema import SENTIMENTS, TASTES

RATING_MEAN: Final = "rating_mean_{}d"
VOLUME: Final = "volume_{}d"
RATING_WINDOWS: Final = (7, 30, 90)
SHARE_WINDOWS: Final = (30, 90)
_LONGEST: Final = 90


@dataclass(frozen=True)
class Family:
    """Figures that belong together.

    Attributes:
        windows: days that each measure is summed over.
        figures: expressions over the sums, `<measure>_<days>`, by name.
        about: what each figure is, by name.
    """

    windows: dict[str, tuple[int, ...]]
    figures: dict[str, pl.Expr]
    about: dict[str, str]


def _ratio(part: str, whole: str, days: int) -> pl.Expr:
    """Null where there is nothing to divide by."""
    count = pl.col(f"{whole}_{days}")
    return pl.col(f"{part}_{days}") / pl.when(count > 0).then(count)


def _mean(days: int) -> pl.Expr:
    return _ratio("rating_sum", "rating_count", days)


def _stats() -> Family:
    figures: dict[str, pl.Expr] = {}
    about: dict[str, str] = {}
    for days in RATING_WINDOWS:
        mean, volume = RATING_MEAN.format(days), VOLUME.format(days)
        figures |= {mean: _mean(days).cast(pl.Float32), volume: pl.col(f"volume_{days}").cast(pl.Int64)}
        about |= {mean: f"mean rating, 1–5, of the last {days} days", volume: f"feedback rows of the last {days} days"}
    return Family(dict.fromkeys(("volume", "rating_sum", "rating_count"), RATING_WINDOWS), figures, about)


def _shares(whole: str, parts: dict[str, str]) -> Family:
    """Shares of labelled rows; `parts` are measures by the name that the share has."""
    figures: dict[str, pl.Expr] = {}
    about: dict[str, str] = {}
    for days in SHARE_WINDOWS:
        for name, part in parts.items():
            share = f"{name}_share_{days}d"
            figures[share] = _ratio(part, whole, days).cast(pl.Float32)
            about[share] = f"share of labelled rows of the last {days} days that are {name}"
    return Family(dict.fromkeys((whole, *parts.values()), SHARE_WINDOWS), figures, about)


def _momentum() -> Family:
    figures: dict[str, pl.Expr] = {}
    about: dict[str, str] = {}
    for short, long in pairwise(RATING_WINDOWS):
        volume, rating = f"volume_momentum_{short}_{long}d", f"rating_momentum_{short}_{long}d"
        pace = (pl.col(f"volume_{short}") / short) / (pl.col(f"volume_{long}") / long)
        figures |= {volume: pace.cast(pl.Float32), rating: (_mean(short) - _mean(long)).cast(pl.Float32)}
        about[volume] = f"rows a day of the last {short} days over those of the last {long}"
        about[rating] = f"mean rating of the last {short} days less that of the last {long}"
    return Family(dict.fromkeys(("volume", "rating_sum", "rating_count"), RATING_WINDOWS), figures, about)


FAMILIES: Final[dict[str, Family]] = {
    "stats": _stats(),
    "sentiment": _shares("labelled", {name: name for name in SENTIMENTS}),
    "tastes": _shares("tasted", {taste: f"taste_{taste}" for taste in TASTES}),
    "momentum": _momentum(),
}
"""Figures of days, by the last part of their views' names."""

MARKET_ABOUT: Final[dict[str, str]] = {
    "search_index": "search interest of the last week",
    "units_sold": "units sold in the last week",
    "price_pen": "price of the last week, soles",
    "search_index_mean_90d": "mean search interest of the weeks of the last 90 days",
    "units_sold_mean_90d": "mean weekly units of the last 90 days",
    "price_pen_mean_90d": "mean price of the last 90 days, soles",
}

LATEST_ABOUT: Final[dict[str, str]] = {
    "last_feedback_at": "when the last row was written",
    "feedback_total": "rows ever",
    "rating_mean_total": "mean rating of all of them, 1–5",
}


def daily_history(measured: pl.LazyFrame, keys: Sequence[str], families: Sequence[str]) -> pl.DataFrame:
    """All versions of the figures of some families: a row for each entity and day that had feedback.

    Args:
        measured: as from `data.measures.measure_feedback`.
        keys: `product`, `region` or both.
        families: which of `FAMILIES`.
    """
    chosen = [FAMILIES[name] for name in families]
    sums = {(measure, days) for family in chosen for measure, each in family.windows.items() for days in each}
    figures = {name: figure for family in chosen for name, figure in family.figures.items()}

    def accumulate(contributions: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        measures = sorted({measure for measure, _ in sums})
        days = _at_each_moment(contributions, keys, measures).lazy()
        rolled = days.with_columns(
            pl.from_epoch(_rolling_max(LAST_KNOWN, keys), "us").dt.replace_time_zone("UTC").alias(LAST_KNOWN),
            *(
                pl.col(measure).rolling_sum_by(AT, f"{window}d").over(*keys).alias(f"{measure}_{window}")
                for measure, window in sorted(sums)
            ),
        )
        shown = [figure.alias(name) for name, figure in figures.items()]
        return rolled.select(*keys, AT, FIRST_KNOWN, LAST_KNOWN, *shown).collect()

    return versions(by_day(measured, keys), keys, accumulate, timedelta(days=_LONGEST))


def latest_history(measured: pl.LazyFrame, keys: Sequence[str]) -> pl.DataFrame:
    """All versions of the figures in `LATEST_ABOUT`: a row for each entity and moment of feedback."""

    def accumulate(contributions: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        moments = _at_each_moment(contributions, keys, ["volume", "rating_sum", "rating_count"])
        rated = pl.col("rating_count").cum_sum().over(*keys)
        return moments.select(
            *keys,
            AT,
            FIRST_KNOWN,
            pl.col(LAST_KNOWN).cum_max().over(*keys),
            (pl.col(AT) - timedelta(microseconds=1)).alias("last_feedback_at"),
            pl.col("volume").cum_sum().over(*keys).cast(pl.Int64).alias("feedback_total"),
            (pl.col("rating_sum").cum_sum().over(*keys) / pl.when(rated > 0).then(rated))
            .cast(pl.Float32)
            .alias("rating_mean_total"),
        )

    return versions(by_moment(measured, keys), keys, accumulate, None)


def market_history(measured: pl.LazyFrame) -> pl.DataFrame:
    """All versions of the figures in `MARKET_ABOUT`, from `data.measures.measure_market`."""
    both = ("product", "region")

    def accumulate(contributions: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        # Of two rows of one week the one that came later holds.
        latest = (
            contributions.sort(KNOWN_AT)
            .group_by(*keys, AT)
            .agg(
                pl.col(KNOWN_AT).min().alias(FIRST_KNOWN),
                pl.col(KNOWN_AT).max().alias(LAST_KNOWN),
                pl.col(*MARKET_MEASURES).last(),
            )
            .sort(*keys, AT)
        )
        mean = [
            pl.col(name).rolling_mean_by(AT, f"{_LONGEST}d").over(*keys).cast(pl.Float32).alias(f"{name}_mean_90d")
            for name in MARKET_MEASURES
        ]
        newest = [pl.col(name).cast(pl.Float32) for name in MARKET_MEASURES]
        known = pl.from_epoch(_rolling_max(LAST_KNOWN, keys), "us").dt.replace_time_zone("UTC").alias(LAST_KNOWN)
        return latest.select(*keys, AT, FIRST_KNOWN, known, *newest, *mean)

    return versions(measured.collect(), both, accumulate, timedelta(days=_LONGEST))


def _at_each_moment(contributions: pl.DataFrame, keys: Sequence[str], measures: list[str]) -> pl.DataFrame:
    grouped = contributions.group_by(*keys, AT).agg(
        pl.col(KNOWN_AT).min().alias(FIRST_KNOWN), pl.col(KNOWN_AT).max().alias(LAST_KNOWN), pl.col(*measures).sum()
    )
    return grouped.sort(*keys, AT)


def _rolling_max(column: str, keys: Sequence[str]) -> pl.Expr:
    return pl.col(column).dt.epoch("us").rolling_max_by(AT, f"{_LONGEST}d").over(*keys)
