"""Bodies of REST answers."""

import base64
import json
from collections.abc import Mapping
from math import prod

import numpy as np
import orjson

from serving.model_server.decimals import format_decimals
from serving.model_server.json_requests import Layout
from serving.model_server.signature import Array
from serving.model_server.statuses import invalid_argument

BYTES_SUFFIX = "_bytes"
"""String outputs with such a name are bytes and travel as base64."""


def encode_outputs(outputs: Mapping[str, Array], layout: Layout) -> bytes:
    """Writes the output tensors in the layout of the request.

    Args:
        outputs: name to array; (batch, …) each in the row layout.
        layout: `row` gives `{"predictions": […]}`, `column` gives `{"outputs": …}`.

    Raises:
        StatusError: a scalar, or different batch sizes, in the row layout.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    text = _rows(outputs) if layout == "row" else _columns(outputs)
    return text.encode()


def encode_error(message: str) -> bytes:
    """`{"error": message}`, indented by four."""
    return json.dumps({"error": message}, indent=4, ensure_ascii=False).encode("utf-8", "replace")


def _rows(outputs: Mapping[str, Array]) -> str:
    batch = _batch_size(outputs)
    columns = {name: _nested(name, array, keep=1) for name, array in outputs.items()}
    if len(columns) == 1:
        body = ", ".join(next(iter(columns.values())))
    else:
        keys = [f"            {_quoted(name)}: " for name in columns]
        rows = zip(*columns.values(), strict=True) if batch else ()
        objects = (",\n".join(map("".join, zip(keys, row, strict=True))) for row in rows)
        body = ",".join(f"\n        {{\n{members}\n        }}" for members in objects)
    return f'{{\n    "predictions": [{body}\n    ]\n}}'


def _columns(outputs: Mapping[str, Array]) -> str:
    columns = {name: _nested(name, array, keep=0)[0] for name, array in outputs.items()}
    if len(columns) == 1:
        return f'{{\n    "outputs": {next(iter(columns.values()))}\n}}'
    members = ",\n".join(f"        {_quoted(name)}: {text}" for name, text in columns.items())
    return f'{{\n    "outputs": {{\n{members}\n    }}\n}}'


def _batch_size(outputs: Mapping[str, Array]) -> int:
    batch: int | None = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if batch is not None and array.shape[0] != batch:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {array.shape[0]} expecting: {batch}"
            )
        batch = array.shape[0]
    return batch or 0


def _nested(name: str, array: Array, keep: int) -> list[str]:
    """JSON texts of the sub-arrays that lie below the first `keep` dimensions."""
    texts = _elements(name, array)
    for axis in range(array.ndim - 1, keep - 1, -1):
        size = array.shape[axis]
        count = prod(array.shape[:axis])
        texts = [f"[{', '.join(texts[at * size : (at + 1) * size])}]" for at in range(count)]
    return texts


def _elements(name: str, array: Array) -> list[str]:
    if array.dtype == object:
        as_bytes = name.endswith(BYTES_SUFFIX)
        return [_base64(value) if as_bytes else _text(value) for value in array.ravel().tolist()]
    if array.dtype == np.bool_:
        return ["true" if value else "false" for value in array.ravel().tolist()]
    if np.issubdtype(array.dtype, np.integer):
        return [str(value) for value in array.ravel().tolist()]
    if np.issubdtype(array.dtype, np.floating):
        return format_decimals(array)
    raise invalid_argument(f"Failed to write JSON value for tensor type: {array.dtype}")


def _base64(value: bytes) -> str:
    return f'{{"b64": "{base64.b64encode(value).decode()}"}}'


def _text(value: bytes) -> str:
    return _quoted(value.decode("utf-8", "replace"))


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
