"""Group labels: requests by label; see also group reload."""

import grpc
import pytest

from tests.integration.model_server.requests import predict_request


@pytest.mark.parametrize(("label", "version"), [("stable", 2), ("canary", 3)])
def test_predict_by_label(server, label, version):
    path = f"/v1/models/two/labels/{label}:predict"
    assert server.post(path, {"instances": ["a"]})[1]["predictions"][0]["label"] == f"v{version}"
    response = server.prediction.Predict(predict_request(b"a", model="two", label=label), timeout=10)
    assert response.model_spec.version.value == version


def test_an_unknown_label(server):
    with pytest.raises(grpc.RpcError) as caught:
        server.prediction.Predict(predict_request(b"a", model="two", label="q"), timeout=10)
    assert (caught.value.code().name, caught.value.details()) == (
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: q",
    )
