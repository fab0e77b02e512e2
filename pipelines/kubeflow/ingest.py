"""The pipeline that brings feedback in on Kubeflow: one step, `sazon ingest` over a folder that others fill."""

from google.protobuf import json_format
from kfp import dsl

from pipelines.kubeflow.post_compile import caching, checks, containers, document, platform
from pipelines.kubeflow.post_compile.graph import tasks_of
from sazon.cluster import HOME_VARIABLES, INCOMING_PATH, STATE_PATH, USER, KubeflowSettings

PIPELINE_NAME = "taste-ingest"
_COMMAND = ["python", "-m", "sazon.cli.main"]


def compile_ingest(kubeflow: KubeflowSettings) -> str:
    """Both documents as YAML. The pipeline has one parameter, `folder`, by default the claim of incoming files.

    A failed run is not tried again: the file that was refused has been moved aside, so a second try would succeed and
    hide it.
    """
    ir = json_format.MessageToDict(_pipeline(kubeflow.cpu_image).pipeline_spec)
    caching.never_cache(ir, tasks_of(ir))
    containers.set_environment(ir, {**HOME_VARIABLES, **kubeflow.env})
    for task in tasks_of(ir):
        containers.set_resources(ir, task, kubeflow.steps)
    executors = platform.executors_like(ir)
    platform.mount_claim(executors, kubeflow.state_claim, STATE_PATH)
    platform.mount_claim(executors, kubeflow.incoming_claim, INCOMING_PATH)
    platform.run_as(executors, USER)
    text = document.as_yaml(ir, platform.as_document(executors))
    checks.check(*document.parse(text))
    return text


def _pipeline(image: str) -> dsl.base_component.BaseComponent:
    @dsl.container_component
    def ingest(folder: str) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image, _COMMAND, ["ingest", folder, "--watch", "--once", "--json"])

    @dsl.pipeline(name=PIPELINE_NAME)
    def pipeline(folder: str = INCOMING_PATH) -> None:
        ingest(folder=folder)

    return pipeline
