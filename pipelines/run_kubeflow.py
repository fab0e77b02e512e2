"""Compiles the training pipeline for Kubeflow Pipelines: TFX's compiler, then the rules of `kubeflow.post_compile`.

The only file that knows TFX's Kubeflow runner. Nothing is sent: `kubeflow.client` does that.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from components import tfdv_compat
from data.keeping import record_version
from data.preparation import Dataset, prepare_dataset
from models.checkpoints.presets import resolve_preset
from pipelines.kubeflow.pod_paths import PodPaths
from pipelines.kubeflow.post_compile import caching, checks, containers, document, parameters, platform
from pipelines.kubeflow.post_compile.graph import Ir, tasks_of
from pipelines.nodes.checks import check_hardware
from pipelines.preparation import BEAM_ARGS, make_spec
from sazon.cluster import HOME_VARIABLES, STATE_PATH, USER
from sazon.errors import UserError
from sazon.settings import PREFIX, Settings

ENTRYPOINT: Final = ("python", "-m", "pipelines.kubeflow.container")
_TRAINER: Final = "Trainer"
_EVALUATOR: Final = "Evaluator"
_SECTIONS: Final = ("features", "rollout")  # settings that components read where they run


@dataclass(frozen=True)
class Compiled:
    """A pipeline ready to be sent.

    Attributes:
        text: both documents as YAML.
        ir: the PipelineSpec.
        dataset: what it trains on.
        paths: knows what the claim must hold.
    """

    text: str
    ir: Ir
    dataset: Dataset
    paths: PodPaths


def compile_pipeline(source: Path, settings: Settings) -> Compiled:
    """Validates and prepares the data as a local run does, compiles, applies the rules and checks the outcome.

    Args:
        source: labelled file; what the pods read of it goes to the claim (`Compiled.paths`).
        settings: resolved settings.

    Raises:
        DataError: the file breaks the contract.
        UserError: the pipeline or the settings are not what Kubeflow takes; one line names what.
    """
    check_hardware(settings)
    preset = resolve_preset(settings.preset)
    dataset = prepare_dataset(source, settings.state.datasets, settings.split, context=settings.train.context)
    record_version(source, dataset, settings)
    spec = make_spec(dataset, settings, preset)
    paths = PodPaths(settings.state)
    schema = hashlib.sha256(Path(spec.schema_file).read_bytes()).hexdigest()
    digest = f"data:{dataset.digest[:16]},schema:{schema[:12]},code:{spec.training_code}"
    ir, defaults = _compile(paths.translate(spec), settings)
    text = _finish(ir, defaults, digest, settings)
    return Compiled(text, ir, dataset, paths)


def compile_with_tfx(pipeline: Any, image: str) -> tuple[Ir, dict[str, Any]]:
    """What TFX's own compiler makes of a pipeline, and the defaults of its parameters, which it loses.

    Raises:
        UserError: TFX cannot compile it.
    """
    tfdv_compat.install()
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runner

    config = runner.KubeflowV2DagRunnerConfig(
        default_image=image, default_commands=list(ENTRYPOINT), use_pipeline_spec_2_1=True
    )
    try:
        job = runner.KubeflowV2DagRunner(config).run(pipeline, write_out=False)
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise UserError(f"TFX cannot compile the pipeline for Kubeflow: {' '.join(str(error).split())}") from error
    return job["pipelineSpec"], _defaults(pipeline)


def apply_rules(ir: Ir, defaults: dict[str, Any], digest: str, settings: Settings) -> dict[str, Any]:
    """Changes the PipelineSpec in place by every rule, and returns the PlatformSpec that belongs to it."""
    from pipelines.taste_pipeline import UNCACHED_ON_KUBEFLOW

    kubeflow = settings.kubeflow
    parameters.name_producers(ir)
    parameters.copy_producer_types(ir)
    parameters.write_defaults(ir, defaults)
    caching.never_cache(ir, UNCACHED_ON_KUBEFLOW if kubeflow.cache else tasks_of(ir))
    caching.key_by_digest(ir, digest)
    containers.drop_drivers(ir)
    containers.set_environment(ir, _environment(settings))
    several = settings.train.nodes > 1
    # Who follows a TrainJob counts its failures and its time; a second try would count anew.
    containers.retry(ir, kubeflow.retries, never=[_TRAINER] if several else [])
    for task in tasks_of(ir):
        containers.set_resources(ir, task, kubeflow.trainer if task == _TRAINER else kubeflow.steps)
    on_gpu = _tasks_on_gpu(settings)
    for task, count in on_gpu.items():
        containers.use_gpu(ir, task, kubeflow.image, kubeflow.gpu, count)
    if several:  # it starts pods of its own, by these settings
        own = kubeflow.model_dump_json(exclude_defaults=True, exclude={"token"})
        containers.set_environment(ir, {f"{PREFIX}KUBEFLOW": own}, _TRAINER)
    if kubeflow.pipeline_root:
        ir["defaultPipelineRoot"] = kubeflow.pipeline_root
    executors = platform.executors_like(ir)
    platform.mount_claim(executors, kubeflow.state_claim, STATE_PATH)
    platform.add_secrets(executors, kubeflow.secrets)
    platform.run_as(executors, USER)
    gpu_labels = platform.labels_of(ir, on_gpu)
    platform.place_on_nodes(executors, gpu_labels, kubeflow.node_selector, kubeflow.tolerations)
    platform.share_memory(executors, gpu_labels)
    return platform.as_document(executors)


def _compile(spec: Any, settings: Settings) -> tuple[Ir, dict[str, Any]]:
    tfdv_compat.install()
    from pipelines.taste_pipeline import create_pipeline

    return compile_with_tfx(create_pipeline(spec, None, list(BEAM_ARGS)), settings.kubeflow.cpu_image)


def _finish(ir: Ir, defaults: dict[str, Any], digest: str, settings: Settings) -> str:
    text = document.as_yaml(ir, apply_rules(ir, defaults, digest, settings))
    checks.check(*document.parse(text))
    return text


def _tasks_on_gpu(settings: Settings) -> dict[str, int]:
    """How many GPUs a task's own pod gets."""
    kubeflow = settings.kubeflow
    counts = {_TRAINER: kubeflow.gpus if settings.train.nodes == 1 else 0, _EVALUATOR: int(kubeflow.evaluate_on_gpu)}
    return {task: count for task, count in counts.items() if count}


def _environment(settings: Settings) -> dict[str, str]:
    sections = {name: getattr(settings, name).model_dump(mode="json", exclude_defaults=True) for name in _SECTIONS}
    return {
        **HOME_VARIABLES,
        f"{PREFIX}MLFLOW__TRACKING_URI": _tracking_uri(settings),
        **{f"{PREFIX}{name.upper()}": json.dumps(values) for name, values in sections.items() if values},
        **settings.kubeflow.env,
    }


def _tracking_uri(settings: Settings) -> str:
    """The settings' own server where pods can reach it, else the cluster's."""
    address = urlsplit(settings.mlflow.tracking_uri or "")
    if address.scheme in ("http", "https") and address.hostname not in ("localhost", "127.0.0.1", "::1"):
        return address.geturl()
    return f"http://mlflow.{settings.kubeflow.namespace}.svc:5000"


def _defaults(pipeline: Any) -> dict[str, Any]:
    from tfx.orchestration.data_types import RuntimeParameter

    values = (value for component in pipeline.components for value in component.exec_properties.values())
    return {
        value.name: value.default
        for value in values
        if isinstance(value, RuntimeParameter) and value.default is not None
    }
