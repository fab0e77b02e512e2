"""Group rest_errors: status and text of what cannot be answered."""

import pytest

PREDICT = "/v1/models/m:predict"
ROW = "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("path", "document", "status", "message"),
    [
        ("/v1/models/x:predict", {"instances": ["a"]}, 404, "Servable not found for request: Latest(x)"),
        ("/v1/models/x:predict", b"{", 400, "JSON Parse error: Invalid value. at offset: 1"),
        (
            "/v1/models/m/versions/99:predict",
            {"instances": ["a"]},
            404,
            "Servable not found for request: Specific(m, 99)",
        ),
        ("/v1/models/m/labels/L:predict", {"instances": ["a"]}, 400, "Unrecognized servable version label: L"),
        (
            PREDICT,
            {"signature_name": "s", "instances": ["a"]},
            400,
            'Serving signature name: "s" not found in signature def',
        ),
        (PREDICT, b"", 400, "JSON Parse error: The document is empty"),
        (PREDICT, [1, 2], 400, "JSON Value: [1, 2] Is not object"),
        (PREDICT, {}, 400, "Missing 'inputs' or 'instances' key"),
        (
            PREDICT,
            {"instances": 1},
            400,
            "JSON Value: {\"instances\": 1} Expecting 'instances' to be an list/array",
        ),
        (PREDICT, {"instances": []}, 400, "JSON Value: {\"instances\": []} No values in 'instances' array"),
        (
            PREDICT,
            {"instances": [1], "inputs": [1]},
            400,
            'JSON Value: {"instances": [1], "inputs": [1]} Not formatted correctly expecting only one of '
            "'inputs' or 'instances' keys to exist ",
        ),
        (PREDICT, {"signature_name": "total", "instances": [1]}, 400, "Tensor name: sum has no shape information "),
        ("/v1/models/x:classify", {"examples": [{}]}, 404, "Servable not found for request: Latest(x)"),
    ],
)
def test_requests(server, path, document, status, message):
    assert server.post(path, document) == (status, {"error": message})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"inputs": {"a": ["x"], "b": [1]}},
            'JSON Value: "x" Type: String is not of expected type: float',
        ),
        ({"inputs": {"a": [1], "b": [1.5]}}, "JSON Value: 1.5 Type: Number is not of expected type: int32"),
        ({"inputs": {"a": [1]}}, "Missing named input: b in 'inputs' object."),
        (
            {"inputs": {"a": [[1, 2], [3]], "b": [1]}},
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (
            {"instances": [1]},
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map",
        ),
        (
            {"instances": [{"a": 1, "b": 1, "q": 1}]},
            "Failed to process element: 0 key: q of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not "
            "have named input: q",
        ),
        (
            {"instances": [{"a": 1}]},
            "Failed to process element: 0 of 'instances' list. JSON object: {\"a\": 1} keys must be equal to: a,b",
        ),
    ],
)
def test_tensors_of_several_inputs(server, document, message):
    assert server.post(PREDICT, {"signature_name": "add", **document}) == (400, {"error": message})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["x"], f'{ROW}JSON Value: "x" Type: String is not of expected type: float'),
        ([[1, 2], [1, 2, 3]], f"{ROW.replace('0', '1')}Expecting tensor size: 2 but got: 3"),
        ([[1, 2], [[1], [2]]], f"{ROW.replace('0', '1')}Expecting shape [2] but got: [2,1]"),
    ],
)
def test_rows(server, rows, message):
    assert server.post(PREDICT, {"signature_name": "double", "instances": rows}) == (400, {"error": message})


def test_what_the_model_refuses_is_the_clients_error(server):
    status, answer = server.post(PREDICT, {"signature_name": "add", "inputs": {"a": [1, 2], "b": [1, 2, 3]}})
    assert status == 400
    assert "Incompatible shapes" in answer["error"]


def test_error_bodies_are_indented_by_four(server):
    assert server.request("POST", PREDICT, b"")[1].startswith(b'{\n    "error": "JSON Parse')
