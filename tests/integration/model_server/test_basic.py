"""Group basic: one model, one question, both protocols."""

from tests.integration.model_server.requests import predict_request


def test_rest(server):
    assert server.post("/v1/models/m:predict", {"instances": ["abc"]})[1]["predictions"][0]["label"] == "v1"


def test_grpc(server):
    response = server.prediction.Predict(predict_request(b"abc"), timeout=10)
    assert list(response.outputs["label"].string_val) == [b"v1"]


def test_each_of_several_models_answers(server):
    assert server.post("/v1/models/two:predict", {"instances": ["abc"]})[1]["predictions"][0]["label"] == "v3"
    assert server.post("/v1/models/ex:classify", {"examples": [{}]})[0] == 200


def test_a_version_by_its_number(server):
    for version in (2, 3):
        path = f"/v1/models/two/versions/{version}:predict"
        assert server.post(path, {"instances": ["a"]})[1]["predictions"][0]["label"] == f"v{version}"
        request = predict_request(b"a", model="two", version=version)
        assert server.prediction.Predict(request, timeout=10).model_spec.version.value == version
