"""Filling the feature store: aggregates to Parquet, declarations to the registry, newest values to the online store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from data.context import EVENT_TIMESTAMP, GROUPINGS, aggregate
from feature_repo.definitions import declare, stats_file
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


def materialise(rows: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Replaces the offline files and brings the online store up to date; safe to repeat.

    Online values of keys that are not in `rows` stay as an earlier call left them.

    Args:
        rows: as for `data.context.aggregate`.
        folder: of the store; registry, online store and offline files live there.

    Returns:
        What was done, for the record: rows, keys, newest timestamp, each over all views.
    """
    from feast import FeatureStore

    folder.mkdir(parents=True, exist_ok=True)
    stats = {view: aggregate(rows, keys) for view, keys in GROUPINGS.items()}
    for view, figures in stats.items():
        staged = folder / f".{stats_file(view)}.partial"
        figures.to_parquet(staged, index=False)
        staged.replace(folder / stats_file(view))
    write_atomically(folder / "feature_store.yaml", _STORE_CONFIG.format(folder=folder))
    store = FeatureStore(repo_path=str(folder))
    store.apply(declare(folder))
    # Every view holds the days of all rows.
    timestamps = next(iter(stats.values()))[EVENT_TIMESTAMP]
    newest = timestamps.max()
    store.materialize(start_date=timestamps.min() - timedelta(days=1), end_date=max(newest, _now()))
    keys = sum(len(figures[[*GROUPINGS[view]]].drop_duplicates()) for view, figures in stats.items())
    return {"rows": sum(map(len, stats.values())), "keys": keys, "newest_at": newest.isoformat()}


def _now() -> datetime:
    return datetime.now(UTC)
