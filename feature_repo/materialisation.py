"""Filling the feature store: aggregates to Parquet, declarations to the registry, newest values to the online store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from feature_repo.definitions import EVENT_TIMESTAMP, RATING_MEAN, STATS_FILE, VOLUME, WINDOW_DAYS, declare
from sazon.home import write_atomically

_STORE_CONFIG = """\
project: sazon
provider: local
registry: {folder}/registry.db
online_store:
  type: sqlite
  path: {folder}/online.db
offline_store:
  type: file
entity_key_serialization_version: 3
"""


def aggregate(rows: pd.DataFrame) -> pd.DataFrame:
    """Rolling figures of each product and region, one row for each day that had feedback.

    Args:
        rows: `created_at` (ISO-8601 or timestamps), `product`, `region`, `rating` (float, NaN = none).

    Returns:
        product, region, event_timestamp (the day's end, UTC), rating_mean_30d (NaN where nobody rated), volume_30d.
        A row only counts what was written up to its own timestamp.
    """
    days = rows.assign(day=pd.to_datetime(rows["created_at"], utc=True, format="ISO8601").dt.floor("D"))
    daily = days.groupby(["product", "region", "day"])["rating"].agg(["sum", "count", "size"]).reset_index()
    window = daily.groupby(["product", "region"]).rolling(f"{WINDOW_DAYS}D", on="day")[["sum", "count", "size"]].sum()
    window = window.reset_index()
    return pd.DataFrame(
        {
            "product": window["product"],
            "region": window["region"],
            EVENT_TIMESTAMP: window["day"] + timedelta(days=1),
            RATING_MEAN: (window["sum"] / window["count"].where(window["count"] > 0)).astype("float32"),
            VOLUME: window["size"].astype("int64"),
        }
    )


def materialise(rows: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Replaces the offline file and brings the online store up to date; safe to repeat.

    Online values of keys that are not in `rows` stay as an earlier call left them.

    Args:
        rows: as for `aggregate`.
        folder: of the store; registry, online store and offline file live there.

    Returns:
        What was done, for the record: rows, keys, newest timestamp.
    """
    from feast import FeatureStore

    stats = aggregate(rows)
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".{STATS_FILE}.partial"
    stats.to_parquet(staged, index=False)
    staged.replace(folder / STATS_FILE)
    write_atomically(folder / "feature_store.yaml", _STORE_CONFIG.format(folder=folder))
    store = FeatureStore(repo_path=str(folder))
    store.apply(declare(folder))
    newest = stats[EVENT_TIMESTAMP].max()
    store.materialize(start_date=stats[EVENT_TIMESTAMP].min() - timedelta(days=1), end_date=max(newest, _now()))
    keys = len(stats[["product", "region"]].drop_duplicates())
    return {"rows": len(stats), "keys": keys, "newest_at": newest.isoformat()}


def _now() -> datetime:
    return datetime.now(UTC)
