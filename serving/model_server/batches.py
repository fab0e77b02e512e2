"""Requests of one signature put together into a batch, and its answer taken apart."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from serving.model_server.signature import Array
from serving.model_server.statuses import Code, StatusError, invalid_argument

MAX_PADDED_RANK: Final = 6


def batch_size(inputs: Mapping[str, Array]) -> int:
    """Rows of a request.

    Raises:
        StatusError: an input has no first dimension, or they differ in it.
    """
    if any(array.ndim == 0 for array in inputs.values()):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension")
    sizes = {array.shape[0] for array in inputs.values()}
    if len(sizes) != 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return int(sizes.pop())


def padded_size(rows: int, allowed: Sequence[int]) -> int:
    """The least allowed size that holds the rows.

    >>> padded_size(3, (2, 4, 8)), padded_size(3, ())
    (4, 3)
    """
    return next((size for size in allowed if size >= rows), rows)


def merge(requests: Sequence[Mapping[str, Array]], rows: int, pad: bool) -> dict[str, Array]:
    """Stacks requests along the first dimension.

    Args:
        requests: input name to (rows, …), at least one.
        rows: wanted rows; what is missing is filled with copies of the last request's first row.
        pad: whether shorter inputs are padded at their ends, with their own first element, or refused.

    Raises:
        StatusError: shapes differ, and padding is off or cannot help.
    """
    merged = {}
    for name in requests[0]:
        arrays = [request[name] for request in requests]
        if len({array.shape[1:] for array in arrays}) > 1:
            arrays = _padded(name, arrays, pad)
        missing = rows - sum(len(array) for array in arrays)
        if missing:
            arrays.append(np.repeat(arrays[-1][:1], missing, axis=0))
        merged[name] = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return merged


def split(outputs: Mapping[str, Array], rows: int, sizes: Sequence[int]) -> list[dict[str, Array]]:
    """Takes a batch's answer apart.

    Args:
        outputs: name to (rows, …).
        rows: of the batch, with what was filled in.
        sizes: rows of each request.

    Raises:
        StatusError: an output has not one entry a row.
    """
    for array in outputs.values():
        if array.ndim == 0:
            raise StatusError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
        if len(array) != rows:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                "input tensors",
            )
    ends = np.cumsum(sizes).tolist()
    return [
        {name: array[end - size : end] for name, array in outputs.items()}
        for end, size in zip(ends, sizes, strict=True)
    ]


def _padded(name: str, arrays: Sequence[Array], pad: bool) -> list[Array]:
    ranks = {array.ndim for array in arrays}
    if not pad or len(ranks) > 1:
        raise StatusError(
            Code.FAILED_PRECONDITION,
            f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off."
            "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name"
            "have equal dimensions starting with the first dim.",
        )
    if max(ranks) > MAX_PADDED_RANK:
        raise invalid_argument("Only tensors with rank from 1 to 6 can be padded.")
    longest = np.max([array.shape[1:] for array in arrays], axis=0)
    return [_pad(array, longest) for array in arrays]


def _pad(array: Array, longest: Array) -> Array:
    after = longest - array.shape[1:]
    if not after.any():
        return array
    if not array.size:
        raise invalid_argument("Got empty tensor in batch of non-empty tensors.")
    widths = [(0, 0), *((0, int(extra)) for extra in after)]
    return np.pad(array, widths, constant_values=array.flat[0])
