"""The two documents as text, and back: strictly, so that a typing mistake is found here and not by a cluster."""

from typing import Any, Final

import yaml

from pipelines.kubeflow.post_compile.graph import Ir, executors_of, tasks_of
from sazon.errors import UserError

_PARTS: Final = (("pipelineInfo", "name"), ("root", "dag", "tasks"), ("components",), ("deploymentSpec", "executors"))


def as_yaml(ir: Ir, platform: dict[str, Any]) -> str:
    """Both documents in one file, as the kfp client and the user interface take it."""
    return yaml.safe_dump_all([ir, platform], sort_keys=True, width=120, allow_unicode=True)


def parse(text: str) -> tuple[Ir, dict[str, Any]]:
    """Reads both documents against the protocol's own messages.

    Upstream: PlatformSpec holds each executor's configuration as a free Struct, in which every key is right; only when
    that is read as KubernetesExecutorConfig does a wrong one show.

    Raises:
        UserError: it is no pipeline, or a field is unknown or of the wrong type.
    """
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2

    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise UserError(f"the pipeline is not YAML: {' '.join(str(error).split())}") from None
    if not documents or not all(isinstance(document, dict) for document in documents) or len(documents) > 2:
        raise UserError("the pipeline has no PipelineSpec (want one document, and a PlatformSpec as the second)")
    ir, platform = documents[0], documents[1] if len(documents) == 2 else {}
    _require_parts(ir)
    try:
        json_format.ParseDict(ir, pipeline_spec_pb2.PipelineSpec())
        deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
        json_format.ParseDict(ir.get("deploymentSpec", {}), deployment)
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        for config in executors_in(platform).values():
            json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    except json_format.ParseError as error:
        raise UserError(f"the pipeline is not what Kubeflow reads: {' '.join(str(error).split())}") from None
    _require_references(ir)
    return ir, platform


def _require_parts(ir: Ir) -> None:
    """The protocol takes a pipeline of nothing."""
    for place in _PARTS:
        part: Any = ir
        for key in place:
            part = part.get(key) if isinstance(part, dict) else None
        if not part:
            raise UserError(f"the pipeline has no {'.'.join(place)}: it is no compiled PipelineSpec")


def _require_references(ir: Ir) -> None:
    """Each task has its component, each component its executor."""
    for name, task in tasks_of(ir).items():
        component = ((task or {}).get("componentRef") or {}).get("name")
        if component not in (ir["components"] or {}):
            raise UserError(f'task {name} is of component "{component}", which is not there')
        interface = ir["components"][component] or {}
        label = interface.get("executorLabel")
        if "dag" not in interface and label not in executors_of(ir):
            raise UserError(f'component {component} is run by executor "{label}", which is not there')


def executors_in(platform: dict[str, Any]) -> dict[str, Any]:
    """The configurations of a PlatformSpec by executor label."""
    part: Any = platform
    for key in ("platforms", "kubernetes", "deploymentSpec", "executors"):
        part = part.get(key) or {}
    executors: dict[str, Any] = part
    return executors
