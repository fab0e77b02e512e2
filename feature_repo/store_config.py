"""Which stores Feast uses: `feature_store.yaml`, rendered from the settings."""

from pathlib import Path
from typing import Any, Final

import yaml

from sazon.home import write_atomically
from sazon.settings import FeatureSettings

PROJECT: Final = "sazon"
CONFIG_FILE: Final = "feature_store.yaml"


def render(folder: Path, settings: FeatureSettings) -> str:
    """The file's content.

    Args:
        folder: of the store.
        settings: which stores; `$NAME` in an address stays as it is, and Feast fills it in from its environment.
    """
    return yaml.safe_dump(
        {
            "project": PROJECT,
            "provider": "local",
            "registry": _registry(folder, settings),
            "online_store": online(folder, settings),
            "offline_store": _offline(settings),
            "entity_key_serialization_version": 3,
        },
        sort_keys=False,
    )


def write(folder: Path, settings: FeatureSettings) -> None:
    """Replaces the file where it says something else."""
    path, content = folder / CONFIG_FILE, render(folder, settings)
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        write_atomically(path, content)


def online(folder: Path, settings: FeatureSettings) -> dict[str, Any]:
    """The part about the online store."""
    if settings.online == "redis":
        # Without skip_dedup a value of an earlier event, as after a change of data, would not replace a later one.
        return {"type": "redis", "connection_string": settings.redis, "skip_dedup": True}
    return {"type": "sqlite", "path": str(folder / "online.db")}


def _registry(folder: Path, settings: FeatureSettings) -> dict[str, Any]:
    if settings.registry is not None:
        return {"registry_type": "sql", "path": settings.registry, "cache_ttl_seconds": 60}
    return {"registry_type": "file", "path": str(folder / "registry.db"), "cache_ttl_seconds": 60}


def _offline(settings: FeatureSettings) -> dict[str, Any]:
    if settings.offline == "spark":
        session_is_utc = {"spark.sql.session.timeZone": "UTC"}
        return {"type": "spark", "spark_conf": {"spark.master": settings.spark_master, **session_is_utc}}
    return {"type": "file"}
