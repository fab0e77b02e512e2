"""Online features from Feast."""

import math
import threading
from pathlib import Path
from typing import Any

from serving.gateway.config import Features


class FeastFeatureReader:
    """Reads what is known of a product in a region; safe to use from several threads."""

    def __init__(self, repo_path: Path) -> None:
        """Opens the feature store.

        Args:
            repo_path: where `feature_store.yaml` lies.

        Raises:
            Exception: whatever Feast raises for a store that it cannot open.
        """
        from feast import FeatureStore

        from feature_repo.definitions import RATING_MEAN, STATS_VIEW, VOLUME

        self._store = FeatureStore(repo_path=str(repo_path))
        self._names = (RATING_MEAN, VOLUME)
        self._references = [f"{STATS_VIEW}:{name}" for name in self._names]
        self._lock = threading.Lock()

    def read(self, product: str, region: str) -> Features:
        """Mean rating (1–5) and number of feedback rows of the last 30 days; None where nothing is known."""
        rows = [{"product": product, "region": region}]
        # Feast's SQLite store shares one connection.
        with self._lock:
            answer: dict[str, list[Any]] = self._store.get_online_features(self._references, rows).to_dict()
        return {name: _known(answer[name][0]) for name in self._names}


def _known(value: Any) -> float | int | None:
    """JSON has no NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value  # type: ignore[no-any-return]
