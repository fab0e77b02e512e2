"""JSON lists to arrays at once, for the usual case: equal lengths, and elements that surely fit their type."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np

from serving.model_server.signature import NUMPY_TYPES, Array
from serving.model_server.statuses import invalid_argument

EXACT_INTEGERS: Final = {"float": 2**24 - 1, "half": 2**24 - 1, "double": 2**53 - 1}
"""Up to here, a floating-point type holds every integer."""
MAX_DIMENSIONS: Final = 32
LARGEST: Final = {
    "float": float(np.finfo(np.float32).max),
    "half": float(np.finfo(np.float32).max),
    "double": float(np.finfo(np.float64).max),
}


def decode_regular(value: Any, dtype: str) -> Array | None:
    """Turns a JSON value into a dense tensor without Python's work on each element.

    >>> decode_regular([[1, 2.5], [3, 4]], "float").tolist()
    [[1.0, 2.5], [3.0, 4.0]]

    Args:
        value: a scalar or nested lists.
        dtype: TensorFlow's name of the element type.

    Returns:
        Array of the value's shape; None where anything is unusual, which `json_values.decode_tensor` then judges.

    Raises:
        StatusError: a string that is no text, or lists too deep for a tensor.
    """
    shape: list[int] = []
    elements = [value]
    while elements and type(elements[0]) is list:
        if set(map(type, elements)) != {list} or len(set(map(len, elements))) != 1:
            return None
        shape.append(len(elements[0]))
        check_depth(shape)
        elements = list(chain.from_iterable(elements))
    array = _convert(elements, set(map(type, elements)), dtype)
    return None if array is None else array.reshape(shape)


def check_depth(shape: Sequence[int]) -> None:
    """Raises `StatusError` for a shape of more dimensions than any operation takes."""
    if len(shape) > MAX_DIMENSIONS:
        raise invalid_argument(f"JSON Value: lists nest deeper than the {MAX_DIMENSIONS} dimensions of a tensor")


def encode_text(text: str) -> bytes:
    """UTF-8; bytes that were none came through the parser as surrogates of their own, and become themselves again.

    Raises:
        StatusError: other surrogates, which stand for no character.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise invalid_argument("JSON Parse error: The surrogate pair in string is invalid.") from None


def _convert(elements: list[Any], kinds: set[type], dtype: str) -> Array | None:
    try:
        if dtype == "string":
            return _texts(elements) if kinds <= {str} else None
        if dtype == "bool":
            return np.array(elements, np.bool_) if kinds <= {bool} else None
        if dtype in EXACT_INTEGERS:
            return _decimals(elements, int in kinds, dtype) if kinds <= {int, float} else None
        return _integers(elements, dtype) if kinds <= {int} and dtype in NUMPY_TYPES else None
    except OverflowError:
        return None


def _texts(elements: list[str]) -> Array:
    array = np.empty(len(elements), np.object_)
    array[:] = [encode_text(text) for text in elements]
    return array


def _decimals(elements: list[float], some_integers: bool, dtype: str) -> Array | None:
    array = np.array(elements, np.float64)
    finite = np.abs(array[np.isfinite(array)])
    limit = EXACT_INTEGERS[dtype] if some_integers else LARGEST[dtype]
    if finite.size and finite.max() > limit:
        return None
    with np.errstate(over="ignore"):
        return array.astype(NUMPY_TYPES[dtype])


def _integers(elements: list[int], dtype: str) -> Array | None:
    kind = NUMPY_TYPES[dtype]
    array = np.array(elements, np.uint64 if kind is np.uint64 else np.int64)
    limits = np.iinfo(kind)
    if array.size and not (limits.min <= int(array.min()) and int(array.max()) <= limits.max):
        return None
    return array.astype(kind)
