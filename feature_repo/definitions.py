"""Declarations of entities, sources and feature views. Times are UTC."""

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource
from feast.types import Float32, Int64, String
from feast.value_type import ValueType

from data.context import EVENT_TIMESTAMP, GROUPINGS, RATING_MEAN, VOLUME, WINDOWS_DAYS

CONTEXT_SERVICE = "taste_context"


def declare(folder: Path) -> list[Entity | FeatureView | FeatureService]:
    """All objects of the repository, with their offline Parquet under `folder`."""
    product = Entity(name="product", join_keys=["product"], value_type=ValueType.STRING, description="What was eaten")
    region = Entity(name="region", join_keys=["region"], value_type=ValueType.STRING, description="Where")
    entities = {entity.name: entity for entity in (product, region)}
    views = [_view(name, [entities[key] for key in keys], folder) for name, keys in GROUPINGS.items()]
    return [product, region, *views, FeatureService(name=CONTEXT_SERVICE, features=views)]


def stats_file(view: str) -> str:
    """Name of a view's offline file."""
    return f"{view}.parquet"


def _view(name: str, entities: list[Entity], folder: Path) -> FeatureView:
    source = FileSource(name=f"{name}_source", path=str(folder / stats_file(name)), timestamp_field=EVENT_TIMESTAMP)
    fields = [Field(name=entity.name, dtype=String) for entity in entities]
    for days in WINDOWS_DAYS:
        mean, volume = RATING_MEAN.format(days), VOLUME.format(days)
        fields.append(Field(name=mean, dtype=Float32, description=f"mean rating, 1–5, of the last {days} days"))
        fields.append(Field(name=volume, dtype=Int64, description=f"feedback rows of the last {days} days"))
    # No expiry: the newest known value of a quiet product is still the best answer, and it carries its date.
    return FeatureView(
        name=name, entities=entities, ttl=timedelta(0), schema=fields, source=source, tags={"owner": "sazon"}
    )
