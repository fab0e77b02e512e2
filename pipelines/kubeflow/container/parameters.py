"""Rules for parameters of components that are functions."""

import json
import typing
from collections.abc import Mapping
from typing import Any


def declared_types(function: Any) -> dict[str, Any]:
    """Name and type of each `Parameter[…]` of a component's function."""
    hints = getattr(function, "__annotations__", {})
    return {name: hint.type for name, hint in hints.items() if type(hint).__name__ == "Parameter"}


def restore_types(values: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """Gives parameters the types that the function declares.

    Cause: TFX compiles lists and objects to JSON strings and booleans to whole numbers, and types the value of an
    earlier task as a string, so that 21 arrives as "21".

    >>> restore_types({"deep": 1, "sizes": "[1, 2]"}, {"deep": bool, "sizes": list[int]})
    {'deep': True, 'sizes': [1, 2]}
    """
    return {name: _restored(value, declared[name]) if name in declared else value for name, value in values.items()}


def _restored(value: Any, wanted: Any) -> Any:
    kind = typing.get_origin(wanted) or wanted
    if kind in (list, dict) and isinstance(value, str):
        return json.loads(value)
    if kind is bool:
        return value in (True, 1, "true", "True", "1")
    return kind(value) if kind in (int, float) else value
