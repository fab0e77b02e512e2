"""Arguments of a compiled pipeline, checked before anything is sent."""

import json
from typing import Any, Final

from pipelines.kubeflow.post_compile.graph import Ir
from sazon.errors import UserError

_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": bool,
    "LIST": list,
    "STRUCT": dict,
}


def parse_arguments(ir: Ir, given: list[str]) -> dict[str, Any]:
    """Turns `name=value` into what the pipeline's parameters want.

    Args:
        ir: the compiled PipelineSpec.
        given: as on the command line.

    Raises:
        UserError: a parameter is unknown, missing, or has a value of another type.
    """
    known = ir["root"].get("inputDefinitions", {}).get("parameters", {})
    values: dict[str, Any] = {}
    for argument in given:
        name, separator, text = argument.partition("=")
        if not separator:
            raise UserError(f'argument "{argument}": want name=value')
        if name not in known:
            raise UserError(f'argument "{name}": the pipeline has {_listed(known)}')
        values[name] = _convert(name, text, known[name]["parameterType"])
    for name, parameter in known.items():
        if name not in values and "defaultValue" not in parameter and not parameter.get("isOptional"):
            raise UserError(f'parameter "{name}" of the pipeline has no default: give it with --arg {name}=…')
    return values


def _convert(name: str, text: str, kind: str) -> Any:
    if kind == "STRING":
        return text
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
        raise UserError(f'argument {name}: "{text}" is no {kind.lower().replace("number_", "")} (as JSON has it)')
    return value


def _listed(known: dict[str, Any]) -> str:
    return f"only {', '.join(sorted(known))}" if known else "no parameters"
