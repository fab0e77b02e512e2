"""Bodies of REST predict requests: the row format (`instances`) and the column format (`inputs`)."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from serving.model_server.json_rows import decode_rows
from serving.model_server.json_values import check_name, decode_tensor, is_base64, quote
from serving.model_server.signature import DEFAULT_SIGNATURE, Array
from serving.model_server.statuses import StatusError, invalid_argument

Layout = Literal["row", "column"]


@dataclass(frozen=True)
class PredictBody:
    """A parsed body whose tensors are still JSON, since their types depend on the model."""

    document: Mapping[str, Any]
    signature_name: str


def parse_body(body: bytes) -> PredictBody:
    """Parses the JSON document.

    Raises:
        StatusError: not JSON, not an object, or a signature name that is no string.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    document = _parse(body)
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {quote(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {quote(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    check_name(name)
    return PredictBody(document, name or DEFAULT_SIGNATURE)


def decode_inputs(document: Mapping[str, Any], inputs: Mapping[str, str]) -> tuple[Layout, dict[str, Array]]:
    """Reads the input tensors.

    Args:
        document: the JSON object of the request.
        inputs: input names of the signature to element types.

    Returns:
        The layout, which the answer follows, and one array per input; rows are stacked to (batch, …).

    Raises:
        StatusError: the tensors do not fit the signature.
    """
    if "instances" in document and "inputs" in document:
        raise _format_error(
            document, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        return "row", decode_rows(_rows(document), inputs)
    if "inputs" in document:
        return "column", _decode_columns(document["inputs"], inputs)
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    # The slower parser also takes what orjson refuses and TensorFlow Serving does not: NaN, Infinity, stray bytes.
    text = body.decode("utf-8", "surrogateescape")
    try:
        return json.loads(text, parse_float=_finite)
    except json.JSONDecodeError as error:
        reason = "Invalid value." if text.strip() else "The document is empty."
        raise invalid_argument(f"JSON Parse error: {reason} at offset: {error.pos}") from None
    except OverflowError:
        raise invalid_argument("JSON Parse error: Number too big to be stored in double. at offset: 0") from None
    except (RecursionError, ValueError):
        raise invalid_argument("JSON Parse error: Invalid value. at offset: 0") from None


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise OverflowError(text)
    return number


def _rows(document: Mapping[str, Any]) -> list[Any]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise _format_error(document, "Expecting 'instances' to be an list/array")
    if not rows:
        raise _format_error(document, "No values in 'instances' array")
    return rows


def _decode_columns(columns: Any, inputs: Mapping[str, str]) -> dict[str, Array]:
    if not isinstance(columns, dict) or is_base64(columns):
        if len(inputs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        return {name: decode_tensor(columns, dtype) for name, dtype in inputs.items()}
    for name in inputs:
        if name not in columns:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: decode_tensor(columns[name], dtype) for name, dtype in inputs.items()}


def _format_error(document: Mapping[str, Any], problem: str) -> StatusError:
    return invalid_argument(f"JSON Value: {quote(document)} {problem}")
