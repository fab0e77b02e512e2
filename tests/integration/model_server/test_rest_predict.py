"""Group rest_predict: rows and columns, numbers, types."""

import numpy as np
import pytest

PREDICT = "/v1/models/m:predict"


def test_rows_are_answered_as_objects(server):
    status, answer = server.post(PREDICT, {"instances": ["abc", "abcd"]})
    assert status == 200
    assert [row["score"][0] for row in answer["predictions"]] == [3.0, 4.0]
    assert set(answer["predictions"][0]) == {"copy_bytes", "label", "score"}


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        ({"inputs": {"a": [1, 2.5], "b": [10, -1]}}, {"outputs": [11.0, 1.5]}),
        ({"instances": [{"a": 1, "b": 2}, {"b": -2, "a": 0.5}]}, {"predictions": [3.0, -1.5]}),
        ({"instances": [{"a": 16777215, "b": 1}]}, {"predictions": [16777216.0]}),
    ],
)
def test_named_inputs(server, document, answer):
    assert server.post(PREDICT, {"signature_name": "add", **document}) == (200, answer)


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        ({"inputs": [1, 2]}, {"outputs": 3.0}),
        ({"inputs": {"x": [1.5, 2]}}, {"outputs": 3.5}),
        ({"inputs": []}, {"outputs": 0.0}),
    ],
)
def test_columns_may_answer_a_scalar(server, document, answer):
    assert server.post(PREDICT, {"signature_name": "total", **document}) == (200, answer)


def test_several_outputs_in_columns_are_an_object(server):
    document = {"signature_name": "double", "inputs": [[1, 2], [3, 4]]}
    assert server.post(PREDICT, document) == (200, {"outputs": {"y": [[2.0, 4.0], [6.0, 8.0]], "version": [1, 1]}})


def test_rows_of_lists(server):
    document = {"signature_name": "double", "instances": [[1, 2], [3, 4]]}
    rows = [{"y": [2.0, 4.0], "version": 1}, {"y": [6.0, 8.0], "version": 1}]
    assert server.post(PREDICT, document) == (200, {"predictions": rows})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.5", "0.5"),
        ("2", "2.0"),
        ("0.1", "0.1"),
        ("33554432e-1", "3355443.25"),
        ("1e7", "1e+07"),
        ("1e-8", "1e-08"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e38", "1e+38"),
        ("-0.0", "-0.0"),
    ],
)
def test_how_floats_are_written(server, value, text):
    body = f'{{"signature_name": "add", "inputs": {{"a": [{value}], "b": [0]}}}}'.encode()
    status, answer = server.request("POST", PREDICT, body)
    written = answer.decode().split("[")[1].split("]")[0]
    assert status == 200
    assert written == text or np.float32(written) == np.float32(text)


def test_six_digits_or_nine(server):
    _, answer = server.request("POST", PREDICT, b'{"instances": ["ab"]}')
    assert b"0.666666687" in answer


def test_every_type_survives(server):
    row = {"bool": True, "float64": 0.1, "int64": 2**62, "uint8": 200, "string": "ñ"}
    status, answer = server.post(PREDICT, {"signature_name": "types", "instances": [row]})
    assert status == 200
    assert answer["predictions"] == [{f"{name}_out": value for name, value in row.items()}]


def test_large_requests_leave_the_server_healthy(server):
    texts = ["x" * (number % 40) for number in range(10_000)]
    _, answer = server.post(PREDICT, {"instances": [{"text": text} for text in texts]})
    assert [row["score"][0] for row in answer["predictions"]] == [len(text) for text in texts]
    status, answer = server.post(PREDICT, {"signature_name": "total", "inputs": [1.0] * 100_000})
    assert (status, answer) == (200, {"outputs": 100_000.0})
    assert server.post(PREDICT, {"instances": ["ñ" * 2_500_000]})[1]["predictions"][0]["score"][0] == 5e6


def test_a_request_over_time_is_504(server):
    assert server.post(PREDICT, {"signature_name": "slow", "instances": [3000]}) == (
        504,
        {"error": "Timed out waiting for notification"},
    )
    assert server.post(PREDICT, {"instances": ["still here"]})[0] == 200
