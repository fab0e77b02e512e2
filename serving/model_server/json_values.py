"""JSON values to tensors: shape, element type and nesting are checked as TensorFlow Serving does."""

import base64
import binascii
import json
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from serving.model_server.decimals import format_decimals
from serving.model_server.json_bulk import EXACT_INTEGERS, LARGEST, check_depth, decode_regular, encode_text
from serving.model_server.signature import NUMPY_TYPES, Array
from serving.model_server.statuses import Code, StatusError, invalid_argument

MAX_QUOTED_CHARS: Final = 1000
"""An error quotes at most so much of the request."""

_INTEGER_RANGES: Final = {
    name: np.iinfo(kind) for name, kind in NUMPY_TYPES.items() if name.startswith(("int", "uint"))
}


def decode_tensor(value: Any, dtype: str) -> Array:
    """Turns a JSON value into a dense tensor.

    Args:
        value: a scalar or nested lists of equal lengths; bytes are `{"b64": "…"}`.
        dtype: TensorFlow's name of the element type.

    Returns:
        Array of the value's shape; strings as `bytes` in an object array.

    Raises:
        StatusError: a ragged list, or an element of another type.
    """
    regular = decode_regular(value, dtype)
    if regular is not None:
        return regular
    shape = _shape(value)
    elements: list[Any] = []
    _collect(value, 0, shape, _converter(dtype), elements)
    array = np.empty(len(elements), NUMPY_TYPES[dtype])
    array[:] = elements
    return array.reshape(shape)


def is_base64(value: Any) -> bool:
    """Whether the value is an object with only the key `b64`, holding a string."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def quote(value: Any) -> str:
    """The value as an error message shows it, on one line and cut when long.

    >>> quote([1, 2]), quote("ají"), quote(2.0)
    ('[1, 2]', '"ají"', '2.0')
    """
    if isinstance(value, float):
        return format_decimals(np.array([value]))[0]
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_QUOTED_CHARS else f"{text[:MAX_QUOTED_CHARS]}…"


def _shape(value: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        check_depth(shape)
        value = value[0] if value else None
    return tuple(shape)


def _collect(
    value: Any, level: int, shape: tuple[int, ...], convert: Callable[[Any], Any], elements: list[Any]
) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {quote(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        elements.append(convert(value))
        return
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _collect(item, level + 1, shape, convert, elements)


def _converter(dtype: str) -> Callable[[Any], Any]:
    if dtype == "string":
        return decode_bytes
    if dtype == "bool":
        return _boolean
    if dtype in EXACT_INTEGERS:
        return lambda value: decode_decimal(value, dtype)
    if dtype in _INTEGER_RANGES:
        return lambda value: _integer(value, dtype)
    raise StatusError(Code.UNIMPLEMENTED, f"Conversion of JSON Value to type: {dtype}")


def check_name(name: str) -> None:
    """Raises `StatusError` for a name that is no UTF-8, which no message may carry."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise invalid_argument("JSON Parse error: Invalid encoding in string.") from None


def decode_bytes(value: Any) -> bytes:
    """A string, or what `{"b64": …}` stands for.

    Raises:
        StatusError: neither of them.
    """
    if isinstance(value, str):
        return encode_text(value)
    if not isinstance(value, dict):
        raise _type_error(value, "string")
    if not is_base64(value):
        raise invalid_argument(f"JSON Value: {quote(value)} not formatted correctly for base64 data")
    try:
        # Both alphabets are accepted, and padding may be left out.
        text = value["b64"].translate(str.maketrans("-_", "+/")).rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Unable to base64 decode") from None


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _type_error(value, "bool")
    return value


def _integer(value: Any, dtype: str) -> int:
    limits = _INTEGER_RANGES[dtype]
    if not isinstance(value, int) or isinstance(value, bool) or not limits.min <= value <= limits.max:
        raise _type_error(value, dtype)
    return value


def decode_decimal(value: Any, dtype: str) -> float:
    """A number that the type can hold.

    Raises:
        StatusError: no number, or one that is too large.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _type_error(value, dtype)
    too_large = (
        abs(value) > EXACT_INTEGERS[dtype]
        if isinstance(value, int)
        else math.isfinite(value) and abs(value) > LARGEST[dtype]
    )
    if too_large:
        raise invalid_argument(f"Cannot convert JSON value: {quote(value)} to {dtype} without loss of precision.")
    return value


def _type_error(value: Any, dtype: str) -> StatusError:
    return invalid_argument(f"JSON Value: {quote(value)} Type: {json_type(value)} is not of expected type: {dtype}")


def json_type(value: Any) -> str:
    """The kind of a JSON value, as messages name it."""
    if value is None or isinstance(value, bool):
        return {None: "Null", False: "False", True: "True"}[value]
    names: dict[type, str] = {str: "String", dict: "Object", list: "Array"}
    return names.get(type(value), "Number")
