"""Runs the training pipeline on this machine: one process, ML Metadata in SQLite, a line for each component.

The only file that knows the local runner. TFX's LocalDagRunner tells nothing of a component's time and of what came
from the cache, so this walks the same compiled graph with the same launcher.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components import tfdv_compat
from data.keeping import keeping
from data.preparation import Dataset, prepare_dataset
from models.checkpoints.presets import Preset, resolve_preset
from pipelines.preparation import BEAM_ARGS, make_spec
from sazon.errors import PipelineError, SazonError, UserError
from sazon.home import remove_partials
from sazon.logging import get_logger, library_prints_to, log_to_file
from sazon.registry import Registry
from sazon.settings import Settings

_LOG = get_logger("pipeline")


@dataclass(frozen=True)
class Step:
    """A component that ran, or was answered from the cache."""

    name: str
    seconds: float
    cached: bool


@dataclass(frozen=True)
class RunResult:
    """What a pipeline run brought."""

    version: int
    status: str
    reason: str
    run_id: str
    rolled_out: bool
    dataset: Dataset
    steps: list[Step]
    figures: dict[str, Any]


def run_local(source: Path, settings: Settings, *, use_cache: bool = True) -> RunResult:
    """Trains, judges, registers and, if blessed, rolls out a model from a labelled file.

    Args:
        source: the file; validated before anything is changed.
        settings: resolved settings.
        use_cache: whether steps whose inputs and code are unchanged are answered from earlier runs.

    Raises:
        DataError: the file breaks the contract; nothing was changed.
        UserError: another pipeline runs on the same state.
        PipelineError: a component failed; the message names it.
    """
    from filelock import FileLock, Timeout

    home = settings.state
    started_s = time.monotonic()
    preset = resolve_preset(settings.preset)
    dataset = prepare_dataset(source, home.datasets, settings.split, context=settings.train.context)
    log_to_file(home.logs / "pipeline.jsonl")
    rows = ", ".join(f"{name} {count:,}" for name, count in dataset.rows.items())
    _LOG.info("data %s from %s: %s", dataset.digest[:16], source.name, rows)
    steps = [_report(Step("Validate", time.monotonic() - started_s, cached=False))]
    try:
        with FileLock(home.pipeline_lock, timeout=0), library_prints_to(home.logs / "pipeline.prints.log"):
            remove_partials(home.datasets)
            with keeping(source, dataset, settings):
                return _run_pipeline(dataset, settings, preset, use_cache, steps)
    except Timeout:
        raise UserError(
            f"another pipeline is running on {home.root}; wait for it, or set SAZON_HOME to another folder"
        ) from None


def _run_pipeline(
    dataset: Dataset, settings: Settings, preset: Preset, use_cache: bool, steps: list[Step]
) -> RunResult:
    """Compiles and walks the graph; the caller holds the lock."""
    started_s = time.monotonic()
    tfdv_compat.install()
    from tfx.orchestration import metadata
    from tfx.orchestration.portable import runtime_parameter_utils

    from pipelines.taste_pipeline import NEVER_CACHED, create_pipeline

    _prepare_registry(settings)
    spec = make_spec(dataset, settings, preset)
    home = settings.state
    home.tfx.mkdir(parents=True, exist_ok=True)
    connection = metadata.sqlite_metadata_connection_config(str(home.metadata_db))
    graph = _compile(create_pipeline(spec, connection, list(BEAM_ARGS)))
    runtime_parameter_utils.substitute_runtime_parameter(graph, {"pipeline-run-id": datetime.now(UTC).isoformat()})
    steps.append(_report(Step("Prepare", time.monotonic() - started_s, cached=False)))
    for node in graph.nodes:
        name = node.pipeline_node.node_info.id
        if not use_cache or name in NEVER_CACHED:
            node.pipeline_node.execution_options.caching_options.enable_cache = False
        step, outputs = _launch(graph, node.pipeline_node, metadata.Metadata(connection))
        steps.append(_report(step))
    from components.artifacts import read_report

    (rollout,) = outputs["rollout"]  # the last step, never from the cache, holds the outcome of the whole run
    return RunResult(**read_report(rollout), dataset=dataset, steps=steps)


def _compile(pipeline: Any) -> Any:
    from tfx.dsl.compiler.compiler import Compiler

    return Compiler().compile(pipeline)


def _launch(graph: Any, node: Any, connection: Any) -> tuple[Step, Any]:
    """Runs one component; returns what it put out, from the cache or anew."""
    from ml_metadata.proto import metadata_store_pb2
    from tfx.orchestration.local import runner_utils
    from tfx.orchestration.portable import launcher

    name = node.node_info.id
    deployment = runner_utils.extract_local_deployment_config(graph)
    started_s = time.monotonic()
    try:
        info = launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=connection,
            pipeline_info=graph.pipeline_info,
            pipeline_runtime_spec=graph.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, name),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        ).launch()
    except SazonError:
        raise
    except Exception as error:
        _LOG.debug("step %s failed", name, exc_info=error)
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PipelineError(f"step {name} failed: {first_line} (details: pipeline.jsonl in the logs)") from error
    with connection as handle:
        (execution,) = handle.store.get_executions_by_id([info.execution_id])
    cached = execution.last_known_state == metadata_store_pb2.Execution.CACHED
    return Step(name, time.monotonic() - started_s, cached), info.output_dict


def _prepare_registry(settings: Settings) -> None:
    """Sets MLflow up for this process and its components, and tidies up after killed runs."""
    import mlflow

    home = settings.state
    home.mlflow_db.parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(settings.tracking_uri)
    registry = Registry(settings.tracking_uri)
    location = None if settings.mlflow.tracking_uri else home.mlflow_artifacts.as_uri()
    experiment = registry.ensure_experiment(settings.mlflow.experiment, location)
    stale = registry.end_stale_runs(experiment)
    if stale:
        _LOG.info("%d run(s) of a killed process marked as KILLED", stale)


def _report(step: Step) -> Step:
    shown = "cached" if step.cached else f"{step.seconds:.1f} s"
    _LOG.info("  %-20s %s", step.name, shown)
    return step
