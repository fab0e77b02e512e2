"""Declarations of entities, sources and feature views. Times are UTC."""

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource
from feast.types import Float32, Int64, String
from feast.value_type import ValueType

EVENT_TIMESTAMP = "event_timestamp"
WINDOW_DAYS = 30
STATS_VIEW = "product_region_stats"
STATS_FILE = f"{STATS_VIEW}.parquet"
RATING_MEAN, VOLUME = f"rating_mean_{WINDOW_DAYS}d", f"volume_{WINDOW_DAYS}d"


def declare(folder: Path) -> list[Entity | FeatureView | FeatureService]:
    """All objects of the repository, with their offline Parquet under `folder`."""
    product = Entity(name="product", join_keys=["product"], value_type=ValueType.STRING, description="What was eaten")
    region = Entity(name="region", join_keys=["region"], value_type=ValueType.STRING, description="Where")
    source = FileSource(name=f"{STATS_VIEW}_source", path=str(folder / STATS_FILE), timestamp_field=EVENT_TIMESTAMP)
    stats = FeatureView(
        name=STATS_VIEW,
        entities=[product, region],
        # No expiry: the newest known value of a quiet product is still the best answer, and it carries its date.
        ttl=timedelta(0),
        schema=[
            Field(name="product", dtype=String),
            Field(name="region", dtype=String),
            Field(name=RATING_MEAN, dtype=Float32, description="mean rating, 1–5, of the last 30 days"),
            Field(name=VOLUME, dtype=Int64, description="feedback rows of the last 30 days"),
        ],
        source=source,
        tags={"owner": "sazon"},
    )
    return [product, region, stats, FeatureService(name="taste_context", features=[stats])]
