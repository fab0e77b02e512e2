"""Parameters whose value is known only when the pipeline runs."""

import json
from typing import Any, Final

from pipelines.kubeflow.post_compile.graph import Ir, component_of, container_of, parameters_of, tasks_of

_SUFFIX: Final = "_task"
_INPUTS_SPEC: Final = "--json_serialized_inputs_spec_args"


def name_producers(ir: Ir) -> None:
    """Takes the suffix off the producer of a parameter.

    Upstream: TFX's step builder writes `producerTask: <id>_task`, but names the task `<id>`; Kubeflow finds no such
    task.
    """
    for task in tasks_of(ir).values():
        for given in parameters_of(task).values():
            if source := given.get("taskOutputParameter"):
                producer = source["producerTask"]
                if producer not in tasks_of(ir):
                    source["producerTask"] = producer.removesuffix(_SUFFIX)


def copy_producer_types(ir: Ir) -> None:
    """Types a parameter as its producer does, in the interface and in the copy that the container parses.

    Upstream: TFX types a value that is not known yet as STRING, so that 21 reaches the component as "21". Apply after
    `name_producers`.
    """
    for name, task in tasks_of(ir).items():
        for key, given in parameters_of(task).items():
            if source := given.get("taskOutputParameter"):
                outputs = component_of(ir, source["producerTask"])["outputDefinitions"]["parameters"]
                kind = outputs[source["outputParameterKey"]]["parameterType"]
                component_of(ir, name)["inputDefinitions"]["parameters"][key]["parameterType"] = kind
                _type_in_arguments(container_of(ir, name)["args"], key, kind)


def write_defaults(ir: Ir, defaults: dict[str, Any]) -> None:
    """Gives the pipeline's own parameters their defaults.

    Upstream: TFX's builder copies name and type of a RuntimeParameter and loses its default, so each must be given.

    Args:
        ir: changed in place.
        defaults: by name; those without one are left out.
    """
    for name, parameter in ir["root"].get("inputDefinitions", {}).get("parameters", {}).items():
        if name in defaults:
            parameter["defaultValue"] = defaults[name]


def _type_in_arguments(arguments: list[str], key: str, kind: str) -> None:
    if _INPUTS_SPEC in arguments:
        place = arguments.index(_INPUTS_SPEC) + 1
        interface = json.loads(arguments[place])
        interface["parameters"][key]["parameterType"] = kind
        arguments[place] = json.dumps(interface, sort_keys=True)
