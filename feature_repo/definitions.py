"""Declarations of entities, sources, feature views and services. Times are UTC."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource
from feast.types import Float32, Int64, String, UnixTimestamp
from feast.value_type import ValueType

from data.context import FIGURES, GROUPINGS
from data.figures import FAMILIES, LATEST_ABOUT, MARKET_ABOUT
from data.history import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from feature_repo.on_demand import declare_on_demand

CONTEXT_SERVICE: Final = "taste_context"
INSIGHT_SERVICE: Final = "taste_insight"
LATEST_VIEW: Final = "product_region_latest"
MARKET_VIEW: Final = "product_region_market"
PUSH_SOURCE: Final = "feedback_push"

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "product_region": ("product", "region"),
    "product": ("product",),
    "region": ("region",),
}
"""Whose figures of days there are; a view's name is a group and a family."""

_OWNER: Final = "sazon"
_FOREVER: Final = timedelta(0)
TTL: Final[dict[str, timedelta]] = {
    # The newest known rating of a quiet product is still the best answer, and it carries its date.
    "stats": _FOREVER,
    # After so long without a row the windows are empty.
    "sentiment": timedelta(days=90),
    "tastes": timedelta(days=90),
    "momentum": timedelta(days=7),
    "market": timedelta(days=28),
    # Totals and the date of the last row hold until there is another one.
    "latest": _FOREVER,
}
"""How long a value is given out after its event; zero is for ever."""

_TYPES: Final = {"last_feedback_at": UnixTimestamp, "feedback_total": Int64}


def declare(folder: Path, offline: str = "file", version: int | None = None) -> list[Any]:
    """All objects of the repository.

    Args:
        folder: where the offline Parquet lies.
        offline: as in the settings.
        version: of the model that was trained on these features; it gets a service of its own.
    """
    entities = _entities()
    views: dict[str, FeatureView] = {}
    for group, keys in GROUPS.items():
        source = _source(group, folder, offline)
        for family, figures in FAMILIES.items():
            name = f"{group}_{family}"
            views[name] = _view(name, family, [entities[key] for key in keys], figures.about, source)
    both = [entities["product"], entities["region"]]
    market = _source(MARKET_VIEW, folder, offline)
    views[MARKET_VIEW] = _view(MARKET_VIEW, "market", both, MARKET_ABOUT, market)
    push = PushSource(name=PUSH_SOURCE, batch_source=_source(LATEST_VIEW, folder, offline), owner=_OWNER)
    views[LATEST_VIEW] = _view(LATEST_VIEW, "latest", both, LATEST_ABOUT, push)
    on_demand = declare_on_demand(views[LATEST_VIEW], views[MARKET_VIEW], _OWNER)
    context = [views[name][list(FIGURES)] for name in GROUPINGS]
    services = [
        _service(CONTEXT_SERVICE, context, "what a model may read beside the text"),
        _service(INSIGHT_SERVICE, [*views.values(), *on_demand], "everything that is known of a product in a region"),
    ]
    if version is not None:
        services.append(_service(version_service(version), context, f"what version {version} was trained with"))
    return [*entities.values(), *views.values(), *on_demand, *services]


def version_service(version: int) -> str:
    """Name of the service of a model version."""
    return f"taste_v{version}"


def view_keys(view: str) -> tuple[str, ...]:
    """The entity columns of a view."""
    return next(keys for group, keys in GROUPS.items() if view.startswith(f"{group}_"))


def offline_file(table: str) -> str:
    """Name of an offline file: that of a group, or of a view that has its own."""
    return f"{table}.parquet"


def _entities() -> dict[str, Entity]:
    about = {"product": "what was eaten or drunk", "region": "one of Peru's 25"}
    return {
        name: Entity(name=name, join_keys=[name], value_type=ValueType.STRING, description=text, owner=_OWNER)
        for name, text in about.items()
    }


def _source(table: str, folder: Path, offline: str) -> Any:
    arguments: dict[str, Any] = {
        "name": f"{table}_source",
        "path": str(folder / offline_file(table)),
        "timestamp_field": EVENT_TIMESTAMP,
        "created_timestamp_column": CREATED_TIMESTAMP,
        "owner": _OWNER,
    }
    if offline == "spark":
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        return SparkSource(**arguments, file_format="parquet")
    return FileSource(**arguments)


def _view(name: str, family: str, entities: list[Entity], about: dict[str, str], source: Any) -> FeatureView:
    fields = [Field(name=entity.name, dtype=String) for entity in entities]
    for feature, text in about.items():
        dtype = Int64 if feature.startswith("volume_") and "momentum" not in feature else Float32
        fields.append(Field(name=feature, dtype=_TYPES.get(feature, dtype), description=text))
    of = " × ".join(entity.name for entity in entities)
    return FeatureView(
        name=name,
        entities=entities,
        ttl=TTL[family],
        schema=fields,
        source=source,
        description=f"{family} of each {of}",
        tags={"family": family, "data": "market" if family == "market" else "feedback"},
        owner=_OWNER,
    )


def _service(name: str, features: list[Any], about: str) -> FeatureService:
    return FeatureService(name=name, features=features, description=about, owner=_OWNER, tags={"model": "taste"})
