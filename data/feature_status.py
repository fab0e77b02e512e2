"""The record of what the feature store holds: written by `feature_repo`, read by the gateway's metrics."""

import json
from pathlib import Path
from typing import Any, Final

STATUS_FILE: Final = "status.json"


def read_status(folder: Path) -> dict[str, dict[str, Any]]:
    """By view: `keys`, `newest_at` (event of the newest value) and `materialised_at`, ISO-8601; empty before the first.

    Args:
        folder: of the feature store.
    """
    try:
        found: dict[str, dict[str, Any]] = json.loads((folder / STATUS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found
