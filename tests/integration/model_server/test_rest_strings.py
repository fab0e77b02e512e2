"""Group rest_strings: text, bytes and base64."""

import json

import pytest

PREDICT = "/v1/models/m:predict"


def echo(server, value):
    status, answer = server.post(PREDICT, {"instances": [value]})
    assert status == 200, answer
    return answer["predictions"][0]


@pytest.mark.parametrize("text", ["", "ají de gallina", "🌶️", 'a\nb\t"c"', "x" * 5000])
def test_text(server, text):
    assert echo(server, text)["score"][0] == len(text.encode())


@pytest.mark.parametrize(
    ("given", "back"),
    [("AP8=", "AP8="), ("YWJj", "YWJj"), ("", ""), ("YQ", "YQ=="), ("_-8=", "/+8=")],
)
def test_base64_goes_in_and_bytes_outputs_come_out_as_base64(server, given, back):
    assert echo(server, {"b64": given})["copy_bytes"] == {"b64": back}


def test_base64_in_columns(server):
    status, answer = server.post(PREDICT, {"inputs": {"text": [{"b64": "AP8="}, "abc"]}})
    assert (status, answer["outputs"]["copy_bytes"]) == (200, [{"b64": "AP8="}, {"b64": "YWJj"}])


def test_a_single_base64_object_is_a_scalar(server):
    status, answer = server.post(PREDICT, {"inputs": {"b64": "YWJj"}})
    assert (status, list(answer)) == (400, ["error"])  # the toy wants a vector


def test_strings_that_are_no_utf8_still_make_json(server):
    body = {"signature_name": "types", "inputs": {"bool": [], "float64": [], "int64": [], "uint8": []}}
    body["inputs"]["string"] = [{"b64": "/w=="}]
    status, answer = server.request("POST", PREDICT, json.dumps(body).encode())
    assert status == 200
    assert json.loads(answer)["outputs"]["string_out"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"b64": "####"}, "Unable to base64 decode"),
        ({"b64": 5}, 'JSON Value: {"b64": 5} not formatted correctly for base64 data'),
        (5, "JSON Value: 5 Type: Number is not of expected type: string"),
        (None, "JSON Value: null Type: Null is not of expected type: string"),
    ],
)
def test_what_is_no_string(server, value, message):
    status, answer = server.post(PREDICT, {"inputs": {"text": [value]}})
    assert (status, answer) == (400, {"error": message})
