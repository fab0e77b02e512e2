"""Which runs and registered versions used which data, as MLflow's tags say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sazon.registry import TAG_DIGEST, Registry
from sazon.schema import MODEL_NAME
from sazon.settings import Settings

_PAGE = 1000
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class Used:
    """MLflow runs (newest first; nested ones count as their parent) and registered versions (newest first)."""

    runs: list[str] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)


class Usage:
    """All of it by digest."""

    def __init__(self, used: Mapping[str, Used]) -> None:
        self._used = used

    def of(self, digest: str) -> Used:
        """What used those bytes."""
        return self._used.get(digest, Used())


def has_registry(settings: Settings) -> bool:
    """Asking must not make a database."""
    return bool(settings.mlflow.tracking_uri) or settings.state.mlflow_db.exists()


def read_usage(settings: Settings) -> Usage:
    """Reads the tags of all runs and versions; nothing where nothing was ever trained."""
    used: dict[str, Used] = {}
    if has_registry(settings):
        client = Registry(settings.tracking_uri).client
        for run in _runs(client):
            if _PARENT not in run.data.tags:
                used.setdefault(run.data.tags[TAG_DIGEST], Used()).runs.append(run.info.run_id)
        found = client.search_model_versions(f"name = '{MODEL_NAME}'")
        for version in sorted(found, key=lambda one: -int(one.version)):
            if TAG_DIGEST in version.tags:
                used.setdefault(version.tags[TAG_DIGEST], Used()).versions.append(int(version.version))
    return Usage(used)


def _runs(client: Any) -> Iterator[Any]:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    token = None
    while True:
        page = client.search_runs(experiments, f"tags.{TAG_DIGEST} LIKE '%'", max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
