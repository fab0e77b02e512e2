"""How old the online features are, for Prometheus."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from data.feature_status import read_status
from serving.monitoring.metrics import FEATURES_MATERIALISED, FEATURES_NEWEST


class FeatureFreshness(Collector):
    """Read anew at each scrape from the record of the feature store, so that all workers say the same."""

    def __init__(self, folder: Path) -> None:
        """Of the feature store in `folder`, which need not be there yet."""
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """Times in Unix seconds by view; ages are `time() - …`."""
        newest = GaugeMetricFamily(FEATURES_NEWEST, "Event of the newest value that is online.", labels=["view"])
        done = GaugeMetricFamily(FEATURES_MATERIALISED, "When a view was last brought up to date.", labels=["view"])
        for view, figures in read_status(self._folder).items():
            for family, moment in ((newest, figures["newest_at"]), (done, figures["materialised_at"])):
                if moment is not None:
                    family.add_metric([view], datetime.fromisoformat(moment).timestamp())
        yield from (newest, done)
