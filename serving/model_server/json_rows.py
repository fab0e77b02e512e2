"""The row format (`instances`): every row gives one element of each input's batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serving.model_server.json_bulk import decode_regular
from serving.model_server.json_values import decode_tensor, is_base64, quote
from serving.model_server.signature import Array
from serving.model_server.statuses import StatusError, invalid_argument


def decode_rows(rows: Sequence[Any], inputs: Mapping[str, str]) -> dict[str, Array]:
    """Stacks rows to batches.

    Args:
        rows: not empty; all objects with one key per input, or all bare values of the only input.
        inputs: input names of the signature to element types.

    Returns:
        One (batch, …) array per input.

    Raises:
        StatusError: a row does not fit the signature or the first row's shape; names the row.
    """
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    if regular := _regular(rows, inputs):
        return regular
    named = _is_named(rows[0])
    stacks: dict[str, list[Array]] = {}
    for number, row in enumerate(rows):
        if _is_named(row) != named:
            wanted, got = ("object", "list") if named else ("value/list", "object")
            raise invalid_argument(f"Expecting {wanted} but got {got} at item {number} of input list")
        if named:
            _add_named(number, row, inputs, stacks)
        else:
            _add_plain(number, row, inputs, stacks)
    return {name: np.stack(stack) for name, stack in stacks.items()}


def _regular(rows: Sequence[Any], inputs: Mapping[str, str]) -> dict[str, Array] | None:
    """The usual case, without an array per row; None leaves the rows to be judged one by one."""
    if all(type(row) is dict and row.keys() == inputs.keys() and not is_base64(row) for row in rows):
        columns = {name: decode_regular([row[name] for row in rows], dtype) for name, dtype in inputs.items()}
    elif len(inputs) == 1:
        columns = {name: decode_regular(rows, dtype) for name, dtype in inputs.items()}
    else:
        return None
    found = {name: array for name, array in columns.items() if array is not None}
    return found if len(found) == len(inputs) else None


def _add_named(number: int, row: Mapping[str, Any], inputs: Mapping[str, str], stacks: dict[str, list[Array]]) -> None:
    for name, value in row.items():
        try:
            _add(name, value, inputs, stacks)
        except StatusError as error:
            raise _row_error(f"{number} key: {name}", error) from None
    if row.keys() != inputs.keys():
        raise invalid_argument(
            f"Failed to process element: {number} of 'instances' list. JSON object: {quote(row)} "
            f"keys must be equal to: {','.join(sorted(inputs))}"
        )


def _add_plain(number: int, row: Any, inputs: Mapping[str, str], stacks: dict[str, list[Array]]) -> None:
    try:
        _add(next(iter(inputs)), row, inputs, stacks)
    except StatusError as error:
        raise _row_error(str(number), error) from None


def _add(name: str, value: Any, inputs: Mapping[str, str], stacks: dict[str, list[Array]]) -> None:
    if name not in inputs:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    element = decode_tensor(value, inputs[name])
    stack = stacks.setdefault(name, [])
    if stack and stack[0].size != element.size:
        raise invalid_argument(f"Expecting tensor size: {stack[0].size} but got: {element.size}")
    if stack and stack[0].shape != element.shape:
        raise invalid_argument(f"Expecting shape {_show(stack[0].shape)} but got: {_show(element.shape)}")
    stack.append(element)


def _is_named(row: Any) -> bool:
    return isinstance(row, dict) and not is_base64(row)


def _row_error(place: str, error: StatusError) -> StatusError:
    return invalid_argument(
        f"Failed to process element: {place} of 'instances' list. Error: {error.code.name}: {error.message}"
    )


def _show(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
