"""Pipeline runs as ML Metadata has them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_ARTIFACT: Final = "components.RegisteredVersion"
_RUN, _NODE = "pipeline_run", "node"


@dataclass(frozen=True)
class Execution:
    """One component in one pipeline run.

    Attributes:
        name: of the component.
        state: as ML Metadata names it, such as complete, cached, failed.
        started_at: ISO-8601, UTC.
        seconds: that it took.
        made_by: the earlier pipeline run whose outputs were taken, for a cached one.
    """

    name: str
    state: str
    started_at: str
    seconds: float
    made_by: str | None


@dataclass(frozen=True)
class PipelineRun:
    """The run that first registered a version.

    Attributes:
        name: the pipeline's id of the run: when it began.
        executions: in order.
        later: runs since then that came to the same version.
    """

    name: str
    executions: list[Execution]
    later: list[str]


def read_pipeline_run(database: Path, version: int, run_id: str) -> PipelineRun | None:
    """Finds the pipeline run behind a registered version.

    Args:
        database: ML Metadata's SQLite file; only read.
        version: its number.
        run_id: its MLflow run, so that a registry that began anew is not mistaken for the old one.

    Returns:
        None where ML Metadata knows of none.
    """
    if not database.exists():
        return None
    store = _open(database)
    if _ARTIFACT not in {kind.name for kind in store.get_artifact_types()}:
        return None
    outputs = [
        artifact.id
        for artifact in store.get_artifacts_by_type(_ARTIFACT)
        if artifact.custom_properties["version"].int_value == version
        and artifact.custom_properties["run_id"].string_value == run_id
    ]
    registrations = sorted(_makers(store, outputs))
    runs = [context for each in registrations for context in store.get_contexts_by_execution(each)]
    runs = [context for context in runs if context.type == _RUN]
    if not runs:
        return None
    first, *later = runs
    executions = sorted(store.get_executions_by_context(first.id), key=lambda one: one.create_time_since_epoch)
    return PipelineRun(first.name, [_execution(store, one) for one in executions], [run.name for run in later])


def _open(database: Path) -> Any:
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    return metadata_store.MetadataStore(config)


def _makers(store: Any, artifacts: Iterable[int]) -> set[int]:
    """Executions that put those artifacts out, or took them from the cache."""
    from ml_metadata.proto import metadata_store_pb2

    ids = list(artifacts)
    events = store.get_events_by_artifact_ids(ids) if ids else []
    return {event.execution_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT}


def _execution(store: Any, execution: Any) -> Execution:
    from ml_metadata.proto import metadata_store_pb2

    state = metadata_store_pb2.Execution.State.Name(execution.last_known_state).lower()
    contexts = store.get_contexts_by_execution(execution.id)
    node = next((one.name for one in contexts if one.type == _NODE), execution.type)
    took_ms = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    return Execution(
        name=node.rpartition(".")[2],
        state=state,
        started_at=_iso(execution.create_time_since_epoch),
        seconds=0.0 if state == "cached" else took_ms / 1000,
        made_by=_origin(store, execution.id) if state == "cached" else None,
    )


def _origin(store: Any, execution: int) -> str | None:
    """The pipeline run in which the outputs of a cached execution were made."""
    from ml_metadata.proto import metadata_store_pb2

    events = store.get_events_by_execution_ids([execution])
    makers = _makers(store, (event.artifact_id for event in events if event.type != metadata_store_pb2.Event.INPUT))
    first = min(makers, default=None)
    contexts = store.get_contexts_by_execution(first) if first is not None else []
    return next((context.name for context in contexts if context.type == _RUN), None)


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
