"""Folders that TFX takes for granted and the launcher does not make."""

from pathlib import Path
from typing import Any, Final

import yaml

from pipelines.kubeflow.container.places import artifacts_of

# Artifacts whose URI is a file with one value.
_VALUES: Final = frozenset({"tfx.Boolean", "tfx.Float", "tfx.Integer", "tfx.JsonValue", "tfx.String"})


def make_folders(executor_input: dict[str, Any]) -> None:
    """Makes the folder of every artifact whose URI is a local path by now.

    Causes: of an output the launcher makes the parent only; an input that was an empty folder does not come back from
    an object store, which holds files.
    """
    for artifact in artifacts_of(executor_input):
        if not is_value(artifact) and "://" not in artifact["uri"]:
            Path(artifact["uri"]).mkdir(parents=True, exist_ok=True)


def is_value(artifact: dict[str, Any]) -> bool:
    """Whether an artifact is a file that holds one value, by its type.

    >>> is_value({"type": {"instanceSchema": "title: tfx.Integer"}})
    True
    """
    kind = artifact.get("type", {})
    schema = yaml.safe_load(kind.get("instanceSchema", "")) or {}
    return (kind.get("schemaTitle") or schema.get("title")) in _VALUES
