"""The model server as a process, driven over HTTP and by the official gRPC stubs."""

import gzip
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

tf = pytest.importorskip("tensorflow")
apis = pytest.importorskip("tensorflow_serving.apis")

from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

PREDICT = "/v1/models/m:predict"
START_S, STOP_S = 60, 20


def export(folder: Path, version: int) -> Path:
    """A model whose answers show the version: `label` is `v<version>`, `score` the length, `y` is a + b."""

    class Toy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(self, text):
            length = tf.cast(tf.strings.length(text), tf.float32)
            label = tf.fill(tf.shape(text), f"v{version}")
            return {"label": label, "score": tf.stack([length, length / 3], axis=1), "copy_bytes": tf.identity(text)}

        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.float32, name="a"), tf.TensorSpec([None], tf.int32, name="b")]
        )
        def add(self, a, b):
            return {"y": a + tf.cast(b, tf.float32)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def total(self, x):
            return {"sum": tf.reduce_sum(x)}

    module, staging = Toy(), folder / f".{version}.partial"
    signatures = {"serving_default": module.serve, "add": module.add, "total": module.total}
    tf.saved_model.save(module, str(staging), signatures=signatures)
    return staging.rename(folder / str(version))


class Server:
    """One process, stopped by its own pid."""

    def __init__(self, base: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "serving.model_server", "--model_name", "m", "--model_base_path", str(base)]
        ports = ["--rest_api_port", "0", "--port", "0", "--file_system_poll_wait_seconds", "0.2"]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen([*command, *ports, *flags], cwd=root, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if "model server ready" in line:
                self._ready.set()
        self._ready.set()

    def wait_ready(self) -> "Server":
        assert self._ready.wait(START_S)
        ready = next((line for line in self.lines if line.startswith("model server ready: ")), None)
        assert ready, self.lines
        words = ready.replace(",", "").split()
        self.rest, self.grpc = words[4], words[6]
        return self

    def request(self, method: str, path: str, body=None, headers=None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.rest, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def predict(self, document, path: str = PREDICT):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        status, answer = self.request("POST", path, body)
        return status, json.loads(answer)

    def states(self) -> dict[str, str]:
        _, answer = self.request("GET", "/v1/models/m")
        return {entry["version"]: entry["state"] for entry in json.loads(answer)["model_version_status"]}

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        finally:
            self.process.kill()
            self._reader.join(5)


def wait_until(condition, timeout_s: float = 20.0) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    for version in (1, 2):
        export(folder, version)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, exported):
    base = tmp_path_factory.mktemp("served")
    (base / "00000001").symlink_to(exported / "1")
    started = Server(base).wait_ready()
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc, options=[("grpc.max_receive_message_length", -1)]) as opened:
        yield opened


def test_rows_are_answered_as_objects_with_labels_scores_and_bytes(server):
    status, answer = server.predict({"instances": ["abc", {"b64": "AP8="}]})
    assert status == 200
    third = np.float32(2) / np.float32(3)
    assert answer["predictions"] == [
        {"copy_bytes": {"b64": "YWJj"}, "label": "v1", "score": [3.0, 1.0]},
        {"copy_bytes": {"b64": "AP8="}, "label": "v1", "score": [2.0, float(f"{third:.9g}")]},
    ]
    assert np.float32(answer["predictions"][1]["score"][1]) == third


def test_columns_are_answered_as_columns(server):
    document = {"signature_name": "add", "inputs": {"a": [1, 2.5], "b": [10, -1]}}
    assert server.predict(document) == (200, {"outputs": [11.0, 1.5]})
    assert server.predict({"signature_name": "total", "inputs": [1, 2]}) == (200, {"outputs": 3.0})
    assert server.predict({"instances": [{"text": "x"}]}, "/v1/models/m/versions/1:predict")[0] == 200


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
        (PREDICT, {"signature_name": "total", "instances": [1]}, 400, "Tensor name: sum has no shape information "),
        (PREDICT + "?a=b", {}, 400, f"Malformed request: POST {PREDICT}?a=b"),
        ("/v1/models/m:classify", {}, 501, "classify is not implemented by this server; use predict"),
    ],
)
def test_errors_have_the_status_and_text_of_the_protocol(server, path, document, status, message):
    assert server.predict(document, path) == (status, {"error": message})


def test_a_model_that_refuses_its_input_is_the_clients_error(server):
    status, answer = server.predict({"signature_name": "add", "inputs": {"a": [1, 2], "b": [1, 2, 3]}})
    assert status == 400
    assert "Incompatible shapes" in answer["error"]


def test_methods_and_paths_outside_the_api(server):
    assert server.request("GET", "/index.html")[0] == 404
    for method in ("PUT", "DELETE"):
        status, answer = server.request(method, "/v1/models/m")
        assert (status, json.loads(answer)) == (400, {"error": f"Malformed request: {method} /v1/models/m"})
    assert server.request("POST", f"/v1/models/m/versions/{2**63}:predict", b"{}") == (400, b"")
    assert server.request("OPTIONS", PREDICT, headers={"Origin": "http://a"})[0] == 200
    assert server.request("OPTIONS", PREDICT)[0] == 400


def test_gzip_requests(server):
    headers = {"Content-Encoding": "gzip"}
    packed = gzip.compress(b'{"instances": ["abc"]}')
    assert server.request("POST", PREDICT, packed, headers)[0] == 200
    status, answer = server.request("POST", PREDICT, b"{}", headers)
    assert (status, json.loads(answer)["error"]) == (400, "JSON Parse error: The document is empty")


def test_status_and_metadata(server):
    ok = {"error_code": "OK", "error_message": ""}
    available = {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": ok}]}
    for path in ("/v1/models/m", "/v1/models/m/versions/1", "/v1/models/m/labels/ignored"):
        status, answer = server.request("GET", path)
        assert (status, json.loads(answer)) == (200, available)
    for path, message in (
        ("/v1/models/x", "Could not find any versions of model x"),
        ("/v1/models/m/versions/4", "Could not find version 4 of model m"),
    ):
        status, answer = server.request("GET", path)
        assert (status, json.loads(answer)) == (404, {"error": message})
    status, answer = server.request("GET", "/v1/models/m/metadata")
    metadata = json.loads(answer)
    assert (status, metadata["model_spec"]) == (200, {"name": "m", "signature_name": "", "version": "1"})
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["text"]["dtype"] == "DT_STRING"
    assert signature["outputs"]["score"]["tensor_shape"]["dim"][1]["size"] == "2"


def test_large_requests_are_answered_and_leave_the_server_healthy(server):
    status, answer = server.predict({"instances": ["ñ" * 2_500_000]})
    assert (status, answer["predictions"][0]["score"][0]) == (200, 5e6)
    texts = [f"{'x' * (number % 40)}" for number in range(10_000)]
    status, answer = server.predict({"instances": [{"text": text} for text in texts]})
    assert [row["score"][0] for row in answer["predictions"]] == [len(text) for text in texts]
    status, answer = server.predict({"signature_name": "total", "inputs": [1.0] * 1000})
    assert (status, answer) == (200, {"outputs": 1000.0})
    assert server.predict({"instances": ["still here"]})[0] == 200


def test_a_body_over_the_limit_is_413(server):
    status, answer = server.request("POST", PREDICT, iter([b"x" * 2**20] * 101))
    assert (status, json.loads(answer)["error"][:12]) == (413, "Request body")
    assert server.predict({"instances": ["still here"]})[0] == 200


def test_metrics(server):
    server.predict({"instances": ["a"]})
    status, text = server.request("GET", "/monitoring/prometheus/metrics")
    assert status == 200
    assert b':tensorflow:serving:request_count{model_name="m",status="OK"}' in text
    assert b':tensorflow:serving:request_latency_count{model_name="m",API="Predict",entrypoint="REST"}' in text


def predict_request(*texts: bytes, **inputs) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m"
    for name, values in (inputs or {"text": list(texts)}).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def test_grpc_predict_answers_in_typed_fields(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    response = stub.Predict(predict_request(b"abc", b"\xff"), timeout=10)
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 1, "serving_default")
    assert list(response.outputs["label"].string_val) == [b"v1", b"v1"]
    assert list(response.outputs["copy_bytes"].string_val) == [b"abc", b"\xff"]
    assert response.outputs["score"].float_val[0] == 3.0
    assert tf.make_ndarray(response.outputs["score"]).shape == (2, 2)


def test_grpc_output_filter_and_packed_tensors(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_request(b"abc")
    request.output_filter.append("label")
    assert list(stub.Predict(request).outputs) == ["label"]
    request = predict_request(a=np.array([1, 2], np.float32), b=np.array([3, 4], np.int32))
    request.model_spec.signature_name = "add"
    assert list(stub.Predict(request).outputs["y"].float_val) == [4.0, 6.0]
    assert len(stub.Predict(predict_request(*[b"x"] * 10_000)).outputs["label"].string_val) == 10_000
    assert stub.Predict(predict_request(b"x" * 5_000_000)).outputs["score"].float_val[0] == 5e6


def change(request, edit):
    edit(request)
    return request


@pytest.mark.parametrize(
    ("edit", "code", "message"),
    [
        (lambda r: r.ClearField("model_spec"), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (lambda r: setattr(r.model_spec, "name", ""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (lambda r: setattr(r.model_spec, "name", "x"), "NOT_FOUND", "Servable not found for request: Latest(x)"),
        (
            lambda r: setattr(r.model_spec.version, "value", 99),
            "NOT_FOUND",
            "Servable not found for request: Specific(m, 99)",
        ),
        (
            lambda r: setattr(r.model_spec, "signature_name", "s"),
            "FAILED_PRECONDITION",
            'Serving signature key "s" not found.',
        ),
        (
            lambda r: r.inputs["z"].CopyFrom(r.inputs["text"]),
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1 len({text,z}) != len({text}). Sent extra: {z}. "
            "Missing but required: {}.",
        ),
        (
            lambda r: r.inputs["text"].tensor_shape.dim.add(size=-3),
            "INVALID_ARGUMENT",
            "tensor parsing error: text",
        ),
        (
            lambda r: r.output_filter.append("q"),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: q Outputs expected to be in the set {copy_bytes,label,score}.",
        ),
    ],
)
def test_grpc_errors(channel, edit, code, message):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(change(predict_request(b"a"), edit), timeout=10)
    assert (caught.value.code().name, caught.value.details()) == (code, message)


def test_grpc_metadata_status_and_what_is_not_there(channel):
    prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "m"
    response = prediction.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "add", "total"} <= set(signatures.signature_def)
    request.ClearField("metadata_field")
    with pytest.raises(grpc.RpcError) as caught:
        prediction.GetModelMetadata(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    model = model_service_pb2_grpc.ModelServiceStub(channel)
    question = get_model_status_pb2.GetModelStatusRequest()
    question.model_spec.name = "m"
    (status,) = model.GetModelStatus(question).model_version_status
    assert (status.version, status.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    with pytest.raises(grpc.RpcError) as caught:
        prediction.MultiInference(inference_pb2.MultiInferenceRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_swaps_versions_under_load_without_a_failed_request(tmp_path, exported):
    (tmp_path / "1").symlink_to(exported / "1")
    server = Server(tmp_path, "--load_retry_interval_micros", "100000").wait_ready()
    labels: list[str] = []
    failures: list[object] = []
    done = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(server.rest, timeout=30)
        while not done.is_set():
            connection.request("POST", PREDICT, b'{"instances": ["a"]}')
            response = connection.getresponse()
            body = response.read()
            if response.status == 200:
                labels.append(json.loads(body)["predictions"][0]["label"])
            else:
                failures.append((response.status, body))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    try:
        for asker in askers:
            asker.start()
        wait_until(lambda: len(labels) > 20)
        (tmp_path / "2").symlink_to(exported / "2")
        wait_until(lambda: labels[-1] == "v2" and server.states() == {"2": "AVAILABLE", "1": "END"})
        (tmp_path / "3").mkdir()
        wait_until(lambda: server.states() == {"3": "END", "2": "AVAILABLE", "1": "END"})
        answered = len(labels)
        wait_until(lambda: len(labels) > answered + 20)
    finally:
        done.set()
        for asker in askers:
            asker.join(30)
        code = server.stop()
    assert (failures, code) == ([], 0)
    assert labels == sorted(labels)


def test_a_broken_sole_version_ends_the_process_with_one_clear_line(tmp_path):
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "saved_model.pb").write_bytes(b"not a model")
    server = Server(tmp_path)
    assert server.process.wait(START_S) != 0
    server._reader.join(5)
    assert server.lines[-1].startswith(f"{tmp_path}, version 5: cannot be loaded: ")
    assert not any("Traceback" in line for line in server.lines)


def test_a_taken_port_ends_the_process_with_one_clear_line(server, tmp_path, exported):
    (tmp_path / "1").symlink_to(exported / "1")
    for flag, address in (("--rest_api_port", server.rest), ("--port", server.grpc)):
        second = Server(tmp_path, flag, address.split(":")[1])
        assert second.process.wait(START_S) == 1
        second._reader.join(5)
        assert f"cannot listen on {address}" in second.lines[-1]
        assert not any("Traceback" in line for line in second.lines)


def test_opens_its_ports_only_after_the_first_load_and_stops_while_waiting(tmp_path, exported):
    with_sigint = Server(tmp_path / "absent")
    wait_until(lambda: any("cannot list" in line for line in with_sigint.lines), START_S)
    with_sigint.process.send_signal(signal.SIGINT)
    assert with_sigint.process.wait(STOP_S) == 0
    assert not any("ready" in line or "Traceback" in line for line in with_sigint.lines)
