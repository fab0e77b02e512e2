"""Runs the training pipeline on this machine: one process, ML Metadata in SQLite, a line for each component.

The only file that knows the local runner. TFX's LocalDagRunner tells nothing of a component's time and of what came
from the cache, so this walks the same compiled graph with the same launcher.
"""

import hashlib
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components import tfdv_compat
from data.keeping import keeping
from data.preparation import Dataset, prepare_dataset
from models.checkpoints.presets import Preset, resolve_preset
from sazon.errors import PipelineError, SazonError, UserError
from sazon.home import Home, atomic_directory, remove_partials
from sazon.logging import get_logger, library_prints_to, log_to_file
from sazon.registry import TAG_DIGEST, Registry
from sazon.settings import Settings

_LOG = get_logger("pipeline")
_NAME = "taste-training"
# Beam's own default would fetch a binary first; more workers only cost time on small data.
_BEAM_ARGS = ["--runner=FnApiRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1"]
# TFX's cache key does not see code: these digests stand for it. Code that only measures must not cost a training.
_TRAINING_CODE = (
    "data/context.py",
    "data/figures.py",
    "data/history.py",
    "data/measures.py",
    "models/bert",
    "models/checkpoints",
    "models/export",
    "models/inputs",
    "models/text",
    "models/training",
    "models/evaluation/calibration.py",
    "models/evaluation/metrics.py",
)
_EVALUATION_CODE = (
    "models",
    "components",
    "sazon/schema.py",
    "data/labelled.py",
    "data/validation.py",
    "data/behavioural",
)
_REPOSITORY = Path(__file__).resolve().parent.parent


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
    spec = _spec(dataset, settings, preset)
    home = settings.state
    home.tfx.mkdir(parents=True, exist_ok=True)
    connection = metadata.sqlite_metadata_connection_config(str(home.metadata_db))
    graph = _compile(create_pipeline(spec, connection, _BEAM_ARGS))
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


def _spec(dataset: Dataset, settings: Settings, preset: Preset) -> Any:
    from components.schema import write_curated_schema
    from pipelines.taste_pipeline import PipelineSpec

    home = settings.state
    encoder = settings.encoder or preset.encoder
    context = settings.train.context
    schema_file = home.tfx / "schema" / ("schema_context.pbtxt" if context else "schema.pbtxt")
    write_curated_schema(schema_file, context)
    source_tags = {TAG_DIGEST: dataset.digest, "data_source": dataset.source, "preset": preset.name}
    return PipelineSpec(
        name=_NAME,
        root=str(home.tfx),
        data_dir=dataset.folder,
        data_digest=dataset.digest,
        majority_share=dataset.majority_share,
        schema_file=str(schema_file),
        tokeniser_dir=str(_tokeniser(dataset, encoder.vocabulary, preset, home)),
        encoder=encoder,
        checkpoint=str(preset.checkpoint or ""),
        train=settings.train,
        gates=settings.gates,
        experiment=settings.mlflow.experiment,
        training_tags=source_tags,
        registration_tags={**source_tags, "git_revision": _git_revision()},
        training_code=_digest_of(_TRAINING_CODE),
        evaluation_code=_digest_of(_EVALUATION_CODE),
        state_dir=str(home.root),
        training_dir=settings.training_dir,
        keep_versions=settings.serving.keep_versions,
    )


def _tokeniser(dataset: Dataset, size: int, preset: Preset, home: Home) -> Path:
    """The checkpoint's own, or one learnt from the training split, once for each dataset and size."""
    import pandas as pd

    from models.text.tokeniser import Tokeniser

    if preset.checkpoint:
        return preset.checkpoint
    folder = home.tokenisers / f"{dataset.name}-{size}-{_digest_of(_TRAINING_CODE)}"
    if not folder.exists():
        texts = pd.read_parquet(dataset.parquet("train"), columns=["text"])["text"]
        with atomic_directory(folder) as staging:
            Tokeniser.learn(texts, size).write(staging)
    return folder


def _digest_of(entries: tuple[str, ...]) -> str:
    """Changes with the content of files and folders of the repository."""
    digest = hashlib.sha256()
    for entry in entries:
        place = _REPOSITORY / entry
        files = (path for path in place.rglob("*") if path.suffix in (".py", ".csv"))
        for path in sorted(files) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _git_revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=False)
    except OSError:  # no git here, as in a container
        return "unknown"
    return found.stdout.strip() or "unknown"


def _report(step: Step) -> Step:
    shown = "cached" if step.cached else f"{step.seconds:.1f} s"
    _LOG.info("  %-20s %s", step.name, shown)
    return step
