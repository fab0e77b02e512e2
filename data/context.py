"""What was known of a product and a region before a moment: one computation for training and for the feature store."""

from typing import Final

import numpy as np
import pandas as pd

from data.figures import RATING_MEAN, VOLUME, daily_history
from data.history import EVENT_TIMESTAMP
from data.measures import from_pandas, measure_feedback

WINDOWS_DAYS: Final = (30, 90)
GROUPINGS: Final[dict[str, tuple[str, ...]]] = {
    "product_region_stats": ("product", "region"),
    "product_stats": ("product",),
    "region_stats": ("region",),
}
"""Feature views by name, and whose figures they hold."""

FIGURES: Final = tuple(figure.format(days) for days in WINDOWS_DAYS for figure in (RATING_MEAN, VOLUME))

CONTEXT: Final = tuple(f"{view}__{figure}" for view in GROUPINGS for figure in FIGURES)
"""A row's context in the order of every context vector; served models count on it."""


def is_count(feature: str) -> bool:
    """Whether a feature of `CONTEXT` counts rows, rather than being a mean of ratings."""
    return "__volume_" in feature


def aggregate(rows: pd.DataFrame, keys: tuple[str, ...]) -> pd.DataFrame:
    """Rolling figures of each product and/or region, one row for each day that had feedback.

    Args:
        rows: `created_at` (ISO-8601 or timestamps), `product`, `region`, `rating` (float, NaN = none).
        keys: whose figures.

    Returns:
        The keys, event_timestamp (the day's end, UTC), and for each window rating_mean_<days>d (NaN where nobody rated)
        and volume_<days>d. A row only counts what was written before its own timestamp.
    """
    table = rows[["created_at", "product", "region", "rating"]]
    history = daily_history(measure_feedback(from_pandas(table)), keys, ("stats",))
    stats = history.select(*keys, EVENT_TIMESTAMP, *FIGURES).to_pandas()
    return stats.assign(**{EVENT_TIMESTAMP: stats[EVENT_TIMESTAMP].dt.as_unit("ns")})


def context_of(rows: pd.DataFrame) -> pd.DataFrame:
    """What each row could know of the others at its own moment: the newest figures of its product and region.

    It is the point-in-time join of the feature store: a row sees only what was written on days that had ended, so never
    its own rating.

    Args:
        rows: as for `aggregate`.

    Returns:
        `CONTEXT` columns over the same index, float32, NaN where nothing was known.
    """
    asked = rows[["product", "region"]].assign(at=_moments(rows)).reset_index(drop=True)
    asked = asked.rename_axis("place").reset_index().sort_values("at", kind="stable")
    found: dict[str, np.ndarray] = {}
    for view, keys in GROUPINGS.items():
        stats = aggregate(rows, keys).sort_values(EVENT_TIMESTAMP, kind="stable")
        joined = pd.merge_asof(asked, stats, left_on="at", right_on=EVENT_TIMESTAMP, by=[*keys]).sort_values("place")
        found |= {f"{view}__{figure}": joined[figure].to_numpy("float32") for figure in FIGURES}
    return pd.DataFrame(found, index=rows.index)


def _moments(rows: pd.DataFrame) -> pd.Series:
    return pd.to_datetime(rows["created_at"], utc=True, format="ISO8601").dt.as_unit("ns")
