"""What a compiled pipeline must be before anyone sends it; each check yields its complaints, one line each.

They hold for the file, however it was made: a pipeline that TFX compiled and no rule went over fails several.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from pipelines.kubeflow.post_compile.document import executors_in
from pipelines.kubeflow.post_compile.graph import (
    Ir,
    artifacts_of,
    component_of,
    executors_of,
    parameters_of,
    tasks_of,
)
from sazon.errors import UserError

_NODE: Final = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
_PIPELINE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_IMPORTABLE: Final = re.compile(r"([A-Za-z_]\w*\.)+[A-Za-z_]\w*")
_SCHEMA_VERSION: Final = "2.1"


def check(ir: Ir, platform: dict[str, Any]) -> None:
    """Runs all checks.

    Raises:
        UserError: the first complaint.
    """
    complaints = (
        *names(ir), *versions(ir), *executors(ir), *artifact_types(ir), *connections(ir), *conditions(ir),
        *executor_classes(ir), *labels(ir, platform),
    )  # fmt: skip
    if complaints:
        more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
        raise UserError(f"the pipeline would not run on Kubeflow: {complaints[0]}{more}")


def names(ir: Ir) -> Iterator[str]:
    """Upstream: names become names of Kubernetes objects and folders; `_` and `.` are refused when the run starts."""
    if not _PIPELINE.fullmatch(name := ir["pipelineInfo"]["name"]):
        yield f'pipeline name "{name}": want lower-case letters, digits and "-"'
    for name in tasks_of(ir):
        if not _NODE.fullmatch(name):
            yield f'node "{name}": want letters, digits and "-" (.with_id("my-step"))'


def versions(ir: Ir) -> Iterator[str]:
    """Upstream: the backend refuses schema 2.0, TFX's default (`use_pipeline_spec_2_1=True`)."""
    if not str(ir.get("schemaVersion", "")).startswith(_SCHEMA_VERSION):
        yield f"schemaVersion {ir.get('schemaVersion')}: want {_SCHEMA_VERSION}"


def executors(ir: Ir) -> Iterator[str]:
    """Upstream: the backend runs containers and importers; a Resolver compiles, but nothing implements it."""
    for label, executor in executors_of(ir).items():
        if not executor.keys() & {"container", "importer"}:
            yield f"{label} is a {', '.join(executor) or 'nothing'}: Kubeflow runs containers and importers only"


def connections(ir: Ir) -> Iterator[str]:
    """Upstream: a wrong producer, output or type is found by the driver, in the middle of a run."""
    for name, task in tasks_of(ir).items():
        for key, given in artifacts_of(task).items():
            yield from _artifact_complaints(ir, name, key, given.get("taskOutputArtifact", {}))
        for key, given in parameters_of(task).items():
            yield from _parameter_complaints(ir, name, key, given)
        for producer in task.get("dependentTasks", []):
            if producer not in tasks_of(ir):
                yield f"{name} comes after {producer}, which is no node"


def conditions(ir: Ir) -> Iterator[str]:
    """Upstream: the driver evaluates conditions over metadata; the content of a value artifact is not there."""
    for name, task in tasks_of(ir).items():
        condition = task.get("triggerPolicy", {}).get("condition", "")
        if condition and (".value" in condition or "metadata[" not in condition):
            yield f'{name} has a condition on a value (want .custom_property("…") == 1): {condition}'


def artifact_types(ir: Ir) -> Iterator[str]:
    """Upstream: the container imports a type by its title; `properties` of a custom type do not come back."""
    for name in tasks_of(ir):
        for direction in ("inputDefinitions", "outputDefinitions"):
            for key, artifact in component_of(ir, name).get(direction, {}).get("artifacts", {}).items():
                schema = yaml.safe_load(artifact["artifactType"].get("instanceSchema", "")) or {}
                title = str(schema.get("title", ""))
                if not _IMPORTABLE.fullmatch(title):
                    yield f'{name}.{key} is of type "{title}": want an importable module.Class'
                if not title.startswith("tfx.") and schema.get("properties"):
                    yield f"{name}.{key} ({title}) has PROPERTIES: want custom properties only"


def executor_classes(ir: Ir) -> Iterator[str]:
    """Upstream: the container imports the executor; TFX compiles `module_file` to a path of the compiling machine."""
    for label, executor in executors_of(ir).items():
        if "__main__." in " ".join(executor.get("container", {}).get("args", [])):
            yield f"{label} runs a function of __main__: put it into a module of the image"
    for name, task in tasks_of(ir).items():
        if parameters_of(task).get("module_file", {}).get("runtimeValue", {}).get("constant"):
            yield f"{name} has a module_file: want a dotted function of the image"


def labels(ir: Ir, platform: dict[str, Any]) -> Iterator[str]:
    """Upstream: a label of the second document that the first lacks is ignored, with its GPU nodes and its claim."""
    known = executors_of(ir)
    for label in executors_in(platform):
        if label not in known:
            yield f'PlatformSpec configures "{label}", which is no executor ({", ".join(sorted(known))})'


def _artifact_complaints(ir: Ir, name: str, key: str, source: dict[str, str]) -> Iterator[str]:
    producer, output = source.get("producerTask", ""), source.get("outputArtifactKey", "")
    if producer not in tasks_of(ir):
        yield f'{name}.{key} comes from "{producer}", which is no node'
        return
    made = component_of(ir, producer).get("outputDefinitions", {}).get("artifacts", {}).get(output)
    wanted = component_of(ir, name).get("inputDefinitions", {}).get("artifacts", {}).get(key)
    if made is None:
        yield f"{name}.{key} comes from {producer}.{output}, which is no output"
    elif wanted is None:
        yield f"{name} is given {key}, which is no input of its component"
    elif made["artifactType"] != wanted["artifactType"]:
        yield f"{name}.{key} is of another type than {producer}.{output}"
    if producer not in tasks_of(ir)[name].get("dependentTasks", []):
        yield f"{name} does not wait for {producer}, which makes its {key}"


def _parameter_complaints(ir: Ir, name: str, key: str, given: dict[str, Any]) -> Iterator[str]:
    wanted = component_of(ir, name).get("inputDefinitions", {}).get("parameters", {}).get(key)
    if wanted is None:
        yield f"{name} is given {key}, which is no parameter of its component"
        return
    if parameter := given.get("componentInputParameter"):
        known = ir["root"].get("inputDefinitions", {}).get("parameters", {})
        if parameter not in known:
            yield f'{name}.{key} is the pipeline\'s parameter "{parameter}", which is not declared'
    elif source := given.get("taskOutputParameter"):
        producer, output = source["producerTask"], source["outputParameterKey"]
        if producer not in tasks_of(ir):
            yield f'{name}.{key} comes from "{producer}", which is no node'
            return
        made = component_of(ir, producer).get("outputDefinitions", {}).get("parameters", {}).get(output)
        if made is None:
            yield f"{name}.{key} comes from {producer}.{output}, which is no output"
        elif made["parameterType"] != wanted["parameterType"]:
            yield f"{name}.{key} is {wanted['parameterType']}, but {producer}.{output} is {made['parameterType']}"
