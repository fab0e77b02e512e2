"""Group warmup: recorded requests run before a version answers."""

import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from waiting import wait_until

from tests.integration.model_server.process import Server
from tests.integration.model_server.requests import example_input, predict_request


@pytest.fixture(scope="module")
def warmed(tmp_path_factory, exported):
    base = tmp_path_factory.mktemp("warmup")
    shutil.copytree(exported / "1", base / "1")
    record(base / "1", [log(predict_request(b"a")), log(predict_request(b"b", b"c"))])
    (base / "monitoring.config").write_text("prometheus_config { enable: true }")
    flags = ("--max_num_load_retries=0", "--model_name=m", f"--monitoring_config_file={base / 'monitoring.config'}")
    started = Server(f"--model_base_path={base}", *flags).wait_ready()
    yield started, base
    assert started.stop() == 0


def log(request):
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))


def record(version, logs) -> None:
    folder = version / "assets.extra"
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for entry in logs:
            writer.write(entry.SerializeToString())


def publish(base, exported, version: str, logs) -> None:
    staging = base / f".{version}"
    shutil.copytree(exported / version, staging)
    record(staging, logs)
    staging.rename(base / version)


def test_records_run_before_the_version_answers(warmed):
    server, base = warmed
    text = server.request("GET", "/monitoring/prometheus/metrics")[1].decode()
    assert f':tensorflow:serving:model_warmup_latency_count{{model_path="{base / "1"}",status="OK"}} 1' in text
    assert server.post("/v1/models/m:predict", {"instances": ["a"]})[0] == 200


def ended(server, version: str) -> str:
    wait_until(lambda: server.states().get(version) == "END")
    _, answer = server.get(f"/v1/models/m/versions/{version}")
    return answer["model_version_status"][0]["status"]["error_message"]


def test_a_failing_record_fails_the_load(warmed, exported):
    server, base = warmed
    publish(base, exported, "2", [log(predict_request(b"a", signature="absent"))])
    assert ended(server, "2") == 'Serving signature key "absent" not found.'
    assert server.states()["1"] == "AVAILABLE"


def test_a_thousand_records_at_most(warmed, exported):
    server, base = warmed
    classify = prediction_log_pb2.PredictionLog()
    classify.classify_log.request.input.CopyFrom(example_input({"x": 1.0}))
    publish(base, exported, "3", [log(predict_request(b"a"))] * 1001)
    assert ended(server, "3").startswith("Number of warmup records exceeds the maximum (1000) at ")
