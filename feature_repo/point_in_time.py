"""Features as they were known at given moments: what a training may read."""

from typing import Any

import pandas as pd

from data.history import EVENT_TIMESTAMP

_PLACE = "place"


def join(store: Any, asked: pd.DataFrame, features: Any) -> pd.DataFrame:
    """Joins features to rows, by Feast, strictly: of nothing later than the row, and known at its moment.

    Feast alone answers equal rows once and leaves out rows that come before all features; here none is lost.

    Args:
        store: a Feast store.
        asked: the entity columns and `event_timestamp` (UTC).
        features: a feature service, or a list of `view:feature`.

    Returns:
        `<view>__<feature>` columns over the index of `asked`, NaN where nothing was known.
    """
    keys = [*asked.columns]
    moments = asked[EVENT_TIMESTAMP].dt.as_unit("us")
    unique = asked.assign(**{EVENT_TIMESTAMP: moments}).drop_duplicates()
    job = store.get_historical_features(unique, features, full_feature_names=True, filter_by_created_timestamp=True)
    found = job.to_df()
    found[EVENT_TIMESTAMP] = found[EVENT_TIMESTAMP].dt.as_unit("us")
    placed = asked.assign(**{EVENT_TIMESTAMP: moments, _PLACE: range(len(asked))}).merge(found, how="left", on=keys)
    whole = placed.sort_values(_PLACE).drop(columns=[*keys, _PLACE])
    whole.index = asked.index
    return whole
