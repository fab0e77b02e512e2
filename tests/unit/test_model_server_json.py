"""JSON in and out of the REST API, with TensorFlow Serving's messages."""

import json
import zlib

import numpy as np
import pytest

from serving.model_server.bodies import unpack
from serving.model_server.decimals import format_decimals
from serving.model_server.json_answers import encode_error, encode_outputs
from serving.model_server.json_bulk import decode_regular
from serving.model_server.json_requests import decode_inputs, parse_body
from serving.model_server.json_values import decode_tensor
from serving.model_server.statuses import StatusError

TEXT = {"text": "string"}
TWO = {"a": "float", "b": "int32"}
ROW = "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "


def decode(document, inputs):
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    layout, arrays = decode_inputs(parse_body(body).document, inputs)
    return layout, {name: array.tolist() for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("document", "inputs", "layout", "arrays"),
    [
        ({"instances": ["ají", "b"]}, TEXT, "row", {"text": ["ají".encode(), b"b"]}),
        ({"instances": [{"text": "ñ"}]}, TEXT, "row", {"text": ["ñ".encode()]}),
        ({"instances": [{"b64": "/w=="}, "x"]}, TEXT, "row", {"text": [b"\xff", b"x"]}),
        ({"instances": [{"text": {"b64": "_w"}}]}, TEXT, "row", {"text": [b"\xff"]}),
        ({"instances": [{"a": 1, "b": 2}, {"b": 3, "a": 0.5}]}, TWO, "row", {"a": [1, 0.5], "b": [2, 3]}),
        ({"instances": [[[1], [2]]]}, {"x": "int64"}, "row", {"x": [[[1], [2]]]}),
        ({"inputs": ["a", {"b64": "YQ=="}]}, TEXT, "column", {"text": [b"a", b"a"]}),
        ({"inputs": {"b64": "YQ=="}}, TEXT, "column", {"text": b"a"}),
        ({"inputs": {"a": [1.5], "b": 7, "extra": 0}}, TWO, "column", {"a": [1.5], "b": 7}),
        ({"inputs": []}, {"x": "float"}, "column", {"x": []}),
        ({"inputs": [True]}, {"x": "bool"}, "column", {"x": [True]}),
        (b'{"inputs": [NaN, -Infinity, 1]}', {"x": "double"}, "column", {"x": [np.nan, -np.inf, 1.0]}),
        (b'{"instances": ["\xff\xfe"]}', TEXT, "row", {"text": [b"\xff\xfe"]}),
    ],
)
def test_reads_both_layouts(document, inputs, layout, arrays):
    got = decode(document, inputs)
    assert got[0] == layout
    np.testing.assert_equal(got[1], arrays)


@pytest.mark.parametrize(
    ("document", "inputs", "message"),
    [
        (b"", TEXT, "JSON Parse error: The document is empty"),
        (b'{"instances": ', TEXT, "JSON Parse error: Invalid value. at offset: 14"),
        (b'{"instances": ["\\ud800"]}', TEXT, "JSON Parse error: The surrogate pair in string is invalid."),
        ([1, 2], TEXT, "JSON Value: [1, 2] Is not object"),
        ({}, TEXT, "Missing 'inputs' or 'instances' key"),
        (
            {"inputs": 1, "instances": 2},
            TEXT,
            'JSON Value: {"inputs": 1, "instances": 2} Not formatted correctly expecting only one of '
            "'inputs' or 'instances' keys to exist ",
        ),
        ({"instances": 1}, TEXT, "JSON Value: {\"instances\": 1} Expecting 'instances' to be an list/array"),
        ({"instances": []}, TEXT, "JSON Value: {\"instances\": []} No values in 'instances' array"),
        ({"inputs": ["x"]}, {"f": "float"}, 'JSON Value: "x" Type: String is not of expected type: float'),
        (
            {"instances": ["x"]},
            {"f": "float"},
            ROW + 'JSON Value: "x" Type: String is not of expected type: float',
        ),
        ({"instances": [None]}, TEXT, ROW + "JSON Value: null Type: Null is not of expected type: string"),
        ({"inputs": [1.5]}, {"i": "int32"}, "JSON Value: 1.5 Type: Number is not of expected type: int32"),
        ({"inputs": [True]}, {"i": "int32"}, "JSON Value: true Type: True is not of expected type: int32"),
        ({"inputs": [2**31]}, {"i": "int32"}, "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        (
            {"inputs": [2**24]},
            {"f": "float"},
            "Cannot convert JSON value: 16777216 to float without loss of precision.",
        ),
        (
            {"instances": [{"q": 1}]},
            TEXT,
            "Failed to process element: 0 key: q of 'instances' list. Error: INVALID_ARGUMENT: JSON object: "
            "does not have named input: q",
        ),
        (
            {"instances": [{"a": 1}]},
            TWO,
            "Failed to process element: 0 of 'instances' list. JSON object: {\"a\": 1} keys must be equal to: a,b",
        ),
        ({"inputs": {"a": 1}}, TWO, "Missing named input: b in 'inputs' object."),
        (
            {"instances": [1]},
            TWO,
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map",
        ),
        (
            {"instances": [[1, 2], [1, 2, 3]]},
            {"x": "float"},
            ROW.replace("0", "1") + "Expecting tensor size: 2 but got: 3",
        ),
        (
            {"instances": [[[1, 2]], [[1], [2]]]},
            {"x": "float"},
            ROW.replace("0", "1") + "Expecting shape [1,2] but got: [2,1]",
        ),
        (
            {"inputs": [[1, 2], [1, 2, 3]]},
            {"x": "float"},
            "Encountered list at unexpected size: 3 at level: 1 expected size: 2",
        ),
        ({"inputs": [1, [2]]}, {"x": "float"}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"instances": [{"b64": "*"}]}, TEXT, ROW + "Unable to base64 decode"),
        ({"instances": ["a", {"text": "b"}]}, TEXT, "Expecting value/list but got object at item 1 of input list"),
        ({"instances": [{"text": "a"}, "b"]}, TEXT, "Expecting object but got list at item 1 of input list"),
        (
            {"signature_name": 3},
            TEXT,
            "JSON Value: {\"signature_name\": 3} not formatted correctly. 'signature_name' key must be a string value.",
        ),
        (b'{"inputs": ' + b"[" * 20 + b"]" * 20 + b"}", {"x": "bogus"}, "Conversion of JSON Value to type: bogus"),
    ],
)
def test_says_what_is_wrong_with_a_request(document, inputs, message):
    with pytest.raises(StatusError) as caught:
        decode(document, inputs)
    assert caught.value.message == message


@pytest.mark.parametrize("depth", [900, 5_000, 200_000])
def test_survives_deep_nesting(depth):
    with pytest.raises(StatusError):
        decode(b'{"instances": ' + b"[" * depth + b'"a"' + b"]" * depth + b', "x": ', TEXT)
    with pytest.raises(StatusError):
        decode(b'{"instances": [' + b"[" * depth + b"1" + b"]" * depth + b"]}", TEXT)


def test_quotes_only_the_start_of_a_large_value():
    with pytest.raises(StatusError) as caught:
        decode({"inputs": ["x" * 100_000]}, {"f": "float"})
    assert len(caught.value.message) < 1200


def test_float32_survives_the_way_to_json_and_back():
    bits = np.random.default_rng(7).integers(0, 2**32, 20_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    back = np.array([float(text) for text in format_decimals(values)], np.float32)
    np.testing.assert_array_equal(back, values)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.2), "0.2"),
        (np.float32(1 / 3), "0.333333343"),
        (np.float32(3), "3.0"),
        (np.float32(9_000_000), "9e+06"),
        (np.float32(3e-5), "3e-05"),
        (np.float32("nan"), "NaN"),
        (np.float32("-inf"), "-Infinity"),
        (np.float64(1 / 3), "0.33333333333333331"),
        (np.float16(0.1), "0.0999755859"),
    ],
)
def test_writes_numbers_as_the_protocol_does(value, text):
    assert format_decimals(np.array([value])) == [text]


def test_row_answers_are_objects_only_with_several_outputs():
    one = {"p": np.array([[0.5, 1.0]], np.float32)}
    two = {**one, "raw_bytes": np.array([b"\xff"], object), "s": np.array(['ñ"'.encode()], object)}
    assert json.loads(encode_outputs(one, "row")) == {"predictions": [[0.5, 1.0]]}
    assert json.loads(encode_outputs(two, "row")) == {
        "predictions": [{"p": [0.5, 1.0], "raw_bytes": {"b64": "/w=="}, "s": 'ñ"'}]
    }
    assert encode_outputs({"y": np.array([2.5, 3.0, 4.5], np.float32)}, "row") == (
        b'{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'
    )


def test_column_answers_keep_shapes_and_scalars():
    outputs = {"n": np.array(3, np.int64), "flag": np.array([[True], [False]]), "e": np.zeros((2, 0), np.float32)}
    assert json.loads(encode_outputs(outputs, "column")) == {
        "outputs": {"n": 3, "flag": [[True], [False]], "e": [[], []]}
    }
    assert json.loads(encode_outputs({"n": np.array([1], np.uint8)}, "column")) == {"outputs": [1]}
    assert json.loads(encode_outputs({"n": np.zeros((0, 2)), "s": np.zeros((0,), object)}, "row")) == {
        "predictions": []
    }


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"y": np.array(1.0)}, "Tensor name: y has no shape information "),
        (
            {"y": np.zeros(2), "z": np.zeros(3)},
            "Tensor name: z has inconsistent batch size: 3 expecting: 2",
        ),
    ],
)
def test_refuses_outputs_without_rows(outputs, message):
    with pytest.raises(StatusError) as caught:
        encode_outputs(outputs, "row")
    assert caught.value.message == message


def test_errors_are_indented_json():
    assert encode_error('no "x"') == b'{\n    "error": "no \\"x\\""\n}'
    json.loads(encode_error("half \ud800"))


def test_gzip_bodies_are_unpacked_with_a_limit():
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"{}" * 500) + packer.flush()
    assert unpack(packed, b"gzip") == b"{}" * 500
    assert unpack(packed, b"") == packed
    assert unpack(packed, b"gzip", limit=999) == b""
    assert unpack(b"no gzip", b"gzip") == b""
    assert unpack(packed[:-9], b"gzip") == b""


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1, 2.5], "float"),
        ([[1, 2], [3, 4]], "int32"),
        ([2**63], "uint64"),
        ([float("nan"), float("inf")], "double"),
        ([True, False], "bool"),
        ([], "float"),
        ([[], []], "int64"),
        ("ají", "string"),
        ([16777215], "float"),
    ],
)
def test_regular_lists_are_read_at_once_and_as_one_by_one(value, dtype, monkeypatch):
    at_once = decode_regular(value, dtype)
    monkeypatch.setattr("serving.model_server.json_values.decode_regular", lambda *_: None)
    one_by_one = decode_tensor(value, dtype)
    assert at_once.dtype == one_by_one.dtype
    np.testing.assert_array_equal(at_once, one_by_one)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1, [2]], "float"),
        ([[1], [2, 3]], "float"),
        ([True, 1], "int32"),
        ([True], "float"),
        ([300], "uint8"),
        ([-1], "uint64"),
        ([2**70], "int64"),
        ([16777216], "float"),
        ([1e39], "float"),
        ([{"b64": "YQ=="}], "string"),
        ([1], "complex64"),
    ],
)
def test_what_is_unusual_is_left_to_be_judged(value, dtype):
    assert decode_regular(value, dtype) is None
