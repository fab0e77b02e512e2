"""Artifact types that TFX does not have.

Only custom properties are used: they survive Kubeflow. There, TFX imports a type by its name; see `components`.
"""

import json
from pathlib import Path
from typing import Any

from tfx.types import artifact


class Report(artifact.Artifact):  # type: ignore[misc]
    """A JSON file of figures."""

    TYPE_NAME = "components.Report"


class RegisteredVersion(artifact.Artifact):  # type: ignore[misc]
    """A version in the registry; custom properties `version` (int) and `blessed` (int, 0 or 1)."""

    TYPE_NAME = "components.RegisteredVersion"


SAVED_MODEL = "Format-Serving"
"""Where TFX's Trainer puts the SavedModel below a Model artifact."""
_REPORT_FILE = "report.json"


def write_report(report: Report, content: dict[str, Any]) -> None:
    """Stores the figures under the artifact's URI."""
    folder = Path(report.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _REPORT_FILE).write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")


def read_report(report: Report) -> dict[str, Any]:
    """Loads the figures from the artifact's URI."""
    content: dict[str, Any] = json.loads((Path(report.uri) / _REPORT_FILE).read_text(encoding="utf-8"))
    return content


def split_files(examples: artifact.Artifact, split: str) -> list[Path]:
    """The record files of one split of an Examples artifact."""
    return sorted((Path(examples.uri) / f"Split-{split}").glob("*.gz"))
