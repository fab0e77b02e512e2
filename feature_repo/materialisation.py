"""Filling the feature store: aggregates to Parquet, declarations to the registry, newest values to the online store."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import polars as pl
from filelock import FileLock

from data.figures import FAMILIES, daily_history, latest_history, market_history
from data.history import EVENT_TIMESTAMP, newest
from data.measures import from_pandas, measure_feedback, measure_market
from feature_repo import store_config
from feature_repo.definitions import GROUPS, LATEST_VIEW, MARKET_VIEW, TTL, declare, offline_file, view_keys
from feature_repo.online import OnlineState, bring_up_to_date
from feature_repo.status import newest_event, note
from sazon.settings import FeatureSettings

LOCK: Final = "materialise.lock"
_NO_MARKET = pl.LazyFrame(
    schema={
        "date": pl.Date,
        "product": pl.String,
        "region": pl.String,
        "search_index": pl.Float64,
        "units_sold": pl.Float64,
        "price_pen": pl.Float64,
    }
)

Watch = Callable[[list[str]], Iterable[str]]
"""Goes through the names of views, perhaps showing how far it is."""


def materialise(
    rows: pd.DataFrame, folder: Path, settings: FeatureSettings | None = None, version: int | None = None
) -> dict[str, Any]:
    """Replaces the offline files and brings the online store up to date; safe to repeat, and to go on after a kill.

    Args:
        rows: `created_at` (ISO-8601 or timestamps), `product`, `region`, `rating` (NaN = none); also `sentiment`,
            `tastes`, `ingested_at`.
        folder: of the store; configuration, offline files and, by default, registry and online store live there.
        settings: which stores; the default ones if None.
        version: of the model that is trained on these rows; it gets a feature service.

    Returns:
        What was done, for the record: rows and keys over all entities, newest timestamp, and the change of each view.
    """
    return materialise_rows(from_pandas(rows), None, folder, settings or FeatureSettings(), version=version)


def materialise_rows(
    feedback: pl.LazyFrame,
    market: pl.LazyFrame | None,
    folder: Path,
    settings: FeatureSettings,
    *,
    version: int | None = None,
    everything: bool = False,
    watch: Watch = iter,
) -> dict[str, Any]:
    """As `materialise`, from rows as the stores of `data` give them.

    Args:
        feedback: as for `data.measures.measure_feedback`.
        market: as for `data.measures.measure_market`; None leaves the figures of the market as they are.
        folder: of the store.
        settings: which stores.
        version: as in `materialise`.
        everything: whether values that the online store holds already are written again.
        watch: sees the views go by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        tables = _compute(feedback)
        if market is not None or not (folder / offline_file(MARKET_VIEW)).exists():
            tables[MARKET_VIEW] = market_history(measure_market(_NO_MARKET if market is None else market))
        for table, history in tables.items():
            staged = folder / f".{offline_file(table)}.partial"
            history.write_parquet(staged)
            staged.replace(folder / offline_file(table))
        state = OnlineState(folder, settings)
        store = open_store(folder, settings, version)
        if everything:
            state.forget()
        changes = {}
        now = datetime.now(UTC)
        for view in watch(views_of(tables)):
            history = tables[_table_of(view)]
            values = _still_good(newest(history, view_keys(view), now), view, now)
            change = bring_up_to_date(store, state, view, values)
            note(folder, view, change.keys, values)
            changes[view] = asdict(change)
    return _summary(tables, changes)


def _still_good(values: pl.DataFrame, view: str, now: datetime) -> pl.DataFrame:
    """Feast looks at the TTL when it joins, but not when it reads online: what is too old must not be there."""
    ttl = TTL[view.rpartition("_")[2]]
    return values.filter(pl.col(EVENT_TIMESTAMP) >= now - ttl) if ttl else values


def open_store(folder: Path, settings: FeatureSettings, version: int | None = None) -> Any:
    """Feast over the stores that the settings name, with everything declared."""
    from feast import FeatureStore

    store_config.write(folder, settings)
    store = FeatureStore(repo_path=str(folder))
    with warnings.catch_warnings():
        # On-demand views are "experimental"; ours are two.
        warnings.simplefilter("ignore", RuntimeWarning)
        store.apply(declare(folder, settings.offline, version))
    return store


def views_of(tables: Iterable[str]) -> list[str]:
    """The views that are filled from some offline files."""
    return [view for table in tables for view in _views_of_table(table)]


def _views_of_table(table: str) -> Iterator[str]:
    if table in GROUPS:
        yield from (f"{table}_{family}" for family in FAMILIES)
    else:
        yield table


def _table_of(view: str) -> str:
    return view if view in (LATEST_VIEW, MARKET_VIEW) else view.rpartition("_")[0]


def _compute(feedback: pl.LazyFrame) -> dict[str, pl.DataFrame]:
    measured = measure_feedback(feedback).collect().lazy()
    tables = {group: daily_history(measured, keys, tuple(FAMILIES)) for group, keys in GROUPS.items()}
    tables[LATEST_VIEW] = latest_history(measured, view_keys(LATEST_VIEW))
    return tables


def _summary(tables: dict[str, pl.DataFrame], changes: dict[str, dict[str, int]]) -> dict[str, Any]:
    days = {group: tables[group] for group in GROUPS}
    return {
        "rows": sum(map(len, days.values())),
        "keys": sum(days[group].select(keys).n_unique() for group, keys in GROUPS.items()),
        "newest_at": newest_event(next(iter(days.values()))),
        "written": sum(change["written"] for change in changes.values()),
        "removed": sum(change["removed"] for change in changes.values()),
        "views": changes,
    }
