"""Bodies of REST classify and regress requests, and their answers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.model_server.decimals import format_decimals
from serving.model_server.json_values import check_name, decode_bytes, decode_decimal, is_base64, json_type, quote
from serving.model_server.statuses import StatusError, invalid_argument


def decode_examples(document: Mapping[str, Any]) -> Input:
    """Reads `examples`, and `context` where there is one.

    Raises:
        StatusError: an example is no object, or a feature mixes types.
    """
    given = Input()
    examples = given.example_list.examples
    if "context" in document:
        given.example_list_with_context.context.CopyFrom(_example(document["context"]))
        examples = given.example_list_with_context.examples
    if "examples" not in document:
        raise _format_error(document, "When method is classify, key 'examples' is expected and was not found")
    if not isinstance(document["examples"], list):
        raise _format_error(document, "Expecting 'examples' value to be an list/array")
    if not document["examples"]:
        raise _format_error(document, "'examples' value is an empty array")
    examples.extend(_example(value) for value in document["examples"])
    return given


def encode_classes(result: ClassificationResult) -> bytes:
    """`{"results": [[["label", score], …], …]}`."""
    rows = []
    for entry in result.classifications:
        labels = [orjson.dumps(found.label).decode() for found in entry.classes]
        scores = format_decimals(np.array([found.score for found in entry.classes], np.float32))
        pairs = ", ".join(f"[{label}, {score}]" for label, score in zip(labels, scores, strict=True))
        rows.append(f"[{pairs}]")
    return f'{{\n    "results": [{", ".join(rows)}\n    ]\n}}'.encode()


def encode_values(result: RegressionResult) -> bytes:
    """`{"results": [value, …]}`."""
    values = np.array([entry.value for entry in result.regressions], np.float32)
    return f'{{\n    "results": [{", ".join(format_decimals(values))}]\n}}'.encode()


def _example(value: Any) -> Example:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {json_type(value)}")
    example = Example()
    for name, content in value.items():
        check_name(name)
        feature = example.features.feature[name]
        for element in content if isinstance(content, list) else [content]:
            _add(name, feature, element)
    return example


def _add(name: str, feature: Feature, element: Any) -> None:
    if isinstance(element, str) or is_base64(element):
        _check_kind(name, feature, "bytes_list")
        feature.bytes_list.value.append(decode_bytes(element))
    elif isinstance(element, float):
        _check_kind(name, feature, "float_list")
        feature.float_list.value.append(decode_decimal(element, "float"))
    elif isinstance(element, int):
        _check_kind(name, feature, "int64_list")
        if element >= 2**63:
            raise invalid_argument(f"Feature: {name} has uint64 element. Only int64 is supported.")
        if element < -(2**63):
            raise invalid_argument(f"Feature: {name} has an element that int64 cannot hold.")
        feature.int64_list.value.append(int(element))
    else:
        raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {json_type(element)}")


def _check_kind(name: str, feature: Feature, kind: str) -> None:
    got = feature.WhichOneof("kind")
    if got not in (None, kind):
        raise invalid_argument(
            f"Unexpected element type in feature: {name} expecting type: {got.removesuffix('_list')}"
        )


def _format_error(document: Mapping[str, Any], problem: str) -> StatusError:
    return invalid_argument(f"JSON Value: {quote(document)} {problem}")
