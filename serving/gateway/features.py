"""Online features from Feast."""

import math
import threading
from pathlib import Path
from typing import Any, Final

from data.context import CONTEXT
from serving.gateway.config import Features

STATS_VIEW: Final = "product_region_stats"
_CONTEXT_REFERENCES: Final = [name.replace("__", ":") for name in CONTEXT]
_NAMELESS: Final = ""  # no product and no region is called so


class FeastFeatureReader:
    """Reads what is known of a product in a region; safe to use from several threads."""

    def __init__(self, repo_path: Path) -> None:
        """Opens the feature store.

        Args:
            repo_path: where `feature_store.yaml` lies.

        Raises:
            Exception: whatever Feast raises for a store that it cannot open.
        """
        import prometheus_client  # noqa: F401  Feast turns on its multi-process mode unless it was imported before
        from feast import FeatureStore

        self._store = FeatureStore(repo_path=str(repo_path))
        self._names = [field.name for field in self._store.get_feature_view(STATS_VIEW).features]
        self._references = [f"{STATS_VIEW}:{name}" for name in self._names]
        self._lock = threading.Lock()

    def read(self, product: str, region: str) -> Features:
        """All features of the view, such as `rating_mean_30d` and `volume_30d`; None where nothing is known."""
        rows = [{"product": product, "region": region}]
        # Feast's SQLite store shares one connection.
        with self._lock:
            answer: dict[str, list[Any]] = self._store.get_online_features(self._references, rows).to_dict()
        return {name: _known(answer[name][0]) for name in self._names}

    def read_context(self, product: str | None, region: str | None) -> list[float]:
        """The model's context vector, in the order of `data.context.CONTEXT`; NaN where nothing is known."""
        rows = [{"product": product or _NAMELESS, "region": region or _NAMELESS}]
        with self._lock:
            answer = self._store.get_online_features(_CONTEXT_REFERENCES, rows, full_feature_names=True).to_dict()
        return [math.nan if answer[name][0] is None else float(answer[name][0]) for name in CONTEXT]


def _known(value: Any) -> float | int | None:
    """JSON has no NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value  # type: ignore[no-any-return]
