"""Group examples: classify, regress and multi-inference, over HTTP and gRPC."""

import grpc
import pytest
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from tests.integration.model_server.requests import example_input

CLASSIFY, REGRESS = "/v1/models/ex:classify", "/v1/models/ex:regress"
ROWS = ({"x": 0.25, "name": b"a"}, {"x": 1.0})


def spec(request, signature="", model="ex"):
    request.model_spec.name, request.model_spec.signature_name = model, signature
    return request


def test_rest_classify(server):
    document = {"examples": [{"x": 0.25, "name": "a"}, {"x": [1.0], "name": {"b64": "YQ=="}}]}
    results = [[["a", 0.25], ["otro", 0.75]], [["a", 1.0], ["otro", 0.0]]]
    assert server.post(CLASSIFY, document) == (200, {"results": results})


def test_rest_classify_by_scores_only(server):
    document = {"signature_name": "scores_only", "examples": [{"x": 0.5}]}
    assert server.post(CLASSIFY, document) == (200, {"results": [[["", 0.5], ["", 0.5]]]})


def test_rest_regress(server):
    document = {"signature_name": "regress", "examples": [{"x": 0.25}, {"x": 1.0}]}
    assert server.post(REGRESS, document) == (200, {"results": [0.5, 2.0]})


def test_a_context_fills_what_an_example_leaves_out(server):
    document = {"signature_name": "regress", "context": {"x": 4.0}, "examples": [{"x": 1.0}, {}]}
    assert server.post(REGRESS, document) == (200, {"results": [2.0, 8.0]})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
        ({"examples": 1}, "JSON Value: {\"examples\": 1} Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "JSON Value: {\"examples\": []} 'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: Null"),
        ({"examples": [{"x": [1.5, "a"]}]}, "Unexpected element type in feature: x expecting type: float"),
        ({"examples": [{"x": 2**63}]}, "Feature: x has uint64 element. Only int64 is supported."),
        ({"signature_name": "s", "examples": [{}]}, "No signature was found with the name: s"),
        ({"signature_name": "predict", "examples": [{}]}, None),
    ],
)
def test_rest_mistakes(server, document, message):
    status, answer = server.post(REGRESS, document)
    assert status == 400
    assert message is None or answer["error"] == message


def test_an_output_of_the_wrong_shape(server):
    status, answer = server.post(REGRESS, {"signature_name": "wide", "examples": [{}]})
    message = "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1,2]"
    assert (status, answer) == (400, {"error": message})


def test_grpc_classify(server):
    request = spec(classification_pb2.ClassificationRequest(input=example_input(*ROWS)))
    response = server.prediction.Classify(request, timeout=10)
    found = [[(item.label, item.score) for item in row.classes] for row in response.result.classifications]
    assert found == [[("a", 0.25), ("otro", 0.75)], [("nadie", 1.0), ("otro", 0.0)]]
    answered = response.model_spec
    assert (answered.name, answered.version.value, answered.signature_name) == ("ex", 1, "serving_default")


def test_grpc_regress_with_context(server):
    given = example_input({"x": 0.5}, {}, context={"x": 3.0})
    response = server.prediction.Regress(spec(regression_pb2.RegressionRequest(input=given), "regress"), timeout=10)
    assert [row.value for row in response.result.regressions] == [1.0, 6.0]


def multi(*tasks: tuple[str, str, str]):
    request = inference_pb2.MultiInferenceRequest(input=example_input(*ROWS))
    for model, signature, method in tasks:
        spec(request.tasks.add(method_name=f"tensorflow/serving/{method}"), signature, model)
    return request


def test_multi_inference(server):
    request = multi(("ex", "", "classify"), ("ex", "regress", "regress"))
    first, second = server.prediction.MultiInference(request, timeout=10).results
    assert first.classification_result.classifications[0].classes[0].label == "a"
    assert [row.value for row in second.regression_result.regressions] == [0.5, 2.0]
    assert second.model_spec.signature_name == "regress"


@pytest.mark.parametrize(
    ("tasks", "code", "message"),
    [
        ((), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (
            (("ex", "", "classify"), ("m", "", "classify")),
            "INVALID_ARGUMENT",
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        (
            (("ex", "", "classify"), ("ex", "serving_default", "classify")),
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: serving_default",
        ),
        (
            (("ex", "s", "classify"),),
            "INVALID_ARGUMENT",
            "Requested signature not found in model graph: s",
        ),
        (
            (("ex", "", "predict"),),
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ],
)
def test_multi_inference_mistakes(server, tasks, code, message):
    with pytest.raises(grpc.RpcError) as caught:
        server.prediction.MultiInference(multi(*tasks), timeout=10)
    assert (caught.value.code().name, caught.value.details()) == (code, message)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (classification_pb2.ClassificationRequest(), "Missing ModelSpec"),
        (spec(classification_pb2.ClassificationRequest()), "Input is empty."),
        (spec(classification_pb2.ClassificationRequest(), model=""), "ModelSpec has no name specified."),
    ],
)
def test_grpc_mistakes(server, request_, message):
    with pytest.raises(grpc.RpcError) as caught:
        server.prediction.Classify(request_, timeout=10)
    assert (caught.value.code().name, caught.value.details()) == ("INVALID_ARGUMENT", message)
