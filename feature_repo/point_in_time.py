"""Features as they were known at given moments: what a training may read."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pandas as pd

from data.history import EVENT_TIMESTAMP
from feature_repo.definitions import view_keys

_PLACE = "place"
_BOTH = ("product", "region")


def join(store: Any, asked: pd.DataFrame, features: Any) -> pd.DataFrame:
    """Joins features to rows, by Feast, strictly: of nothing later than the row, and known at its moment.

    Feast alone leaves rows out: those that differ only in columns that a view does not use, and those for which one
    view has only values that are later or too old. Here views are joined one by one, and no row is lost.

    Args:
        store: a Feast store.
        asked: the entity columns, `event_timestamp` (UTC), and what on-demand features want.
        features: a feature service, or a list of `view:feature`.

    Returns:
        `<view>__<feature>` columns over the index of `asked`, NaN where nothing was known.
    """
    rows = asked.assign(**{EVENT_TIMESTAMP: asked[EVENT_TIMESTAMP].dt.as_unit("us")}).reset_index(drop=True)
    on_demand = {view.name for view in store.list_on_demand_feature_views()}
    joined = []
    for view, names in _by_view(features):
        keys = [*(_BOTH if view in on_demand else view_keys(view)), EVENT_TIMESTAMP]
        joined.append(_join_one(store, rows if view in on_demand else rows[keys], keys, names))
    return pd.concat(joined, axis=1).set_axis(asked.index)


def _join_one(store: Any, rows: pd.DataFrame, keys: list[str], names: list[str]) -> pd.DataFrame:
    """Rows of the same keys and moment, which Feast takes for one, are asked one after another."""
    number = rows.groupby([*rows.columns], sort=False, dropna=False).ngroup()
    unique = rows.assign(**{_PLACE: number})[~number.duplicated()]
    found = [
        store.get_historical_features(part, names, full_feature_names=True, filter_by_created_timestamp=True).to_df()
        for _, part in unique.groupby(unique.groupby(keys).cumcount())
    ]
    columns = [name.replace(":", "__", 1) for name in names]
    return pd.concat(found).set_index(_PLACE)[columns].reindex(number).reset_index(drop=True)


def _by_view(features: Any) -> Iterator[tuple[str, list[str]]]:
    names = features if isinstance(features, list) else _names(features)
    for view, group in groupby(sorted(names), key=lambda name: name.partition(":")[0]):
        yield view, list(group)


def _names(service: Any) -> list[str]:
    return [f"{view.name}:{field.name}" for view in service.feature_view_projections for field in view.features]
