"""Group batching: with a batching parameters file."""

import threading

import pytest

from tests.integration.model_server.process import Server

PREDICT = "/v1/models/m:predict"


@pytest.fixture(scope="module")
def batched(tmp_path_factory, exported):
    folder = tmp_path_factory.mktemp("batching")
    (folder / "m").mkdir()
    (folder / "m" / "1").symlink_to(exported / "1")
    parameters, monitoring = folder / "batching.config", folder / "monitoring.config"
    parameters.write_text(
        "max_batch_size { value: 4 } batch_timeout_micros { value: 200000 } max_enqueued_batches { value: 2 } "
        "num_batch_threads { value: 1 } allowed_batch_sizes: 2 allowed_batch_sizes: 4 pad_variable_length_inputs: true"
    )
    monitoring.write_text("prometheus_config { enable: true }")
    files = (f"--batching_parameters_file={parameters}", f"--monitoring_config_file={monitoring}")
    started = Server(f"--model_base_path={folder / 'm'}", "--model_name=m", "--enable_batching", *files).wait_ready()
    yield started
    assert started.stop() == 0


def together(server, documents) -> list[tuple[int, dict]]:
    """Answers to requests sent at once, in the order of the requests."""
    answers: list = [None] * len(documents)

    def ask(place: int) -> None:
        answers[place] = server.post(PREDICT, documents[place])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(documents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def test_each_request_gets_its_own_rows(batched):
    documents = [{"instances": ["x" * length]} for length in range(1, 5)]
    scores = [answer["predictions"][0]["score"][0] for _, answer in together(batched, documents)]
    assert scores == [1.0, 2.0, 3.0, 4.0]


def test_shorter_rows_are_padded_with_their_first_element(batched):
    documents = [{"signature_name": "double", "instances": [row]} for row in ([1.0, 2.0, 3.0], [5.0])]
    rows = [answer["predictions"][0]["y"] for _, answer in together(batched, documents)]
    assert rows == [[2.0, 4.0, 6.0], [10.0, 10.0, 10.0]]


def test_too_large(batched):
    assert batched.post(PREDICT, {"instances": ["a"] * 5}) == (
        400,
        {"error": "Task size 5 is larger than maximum input batch size 4"},
    )


def test_an_output_that_is_no_batch(batched):
    assert batched.post(PREDICT, {"signature_name": "total", "inputs": [1, 2]}) == (
        400,
        {"error": "Batched output tensor has 0 dimensions"},
    )


def test_a_full_queue_refuses(batched):
    document = {"signature_name": "slow", "instances": [200] * 4}
    answers = together(batched, [document] * 8)
    refused = [answer["error"] for status, answer in answers if status == 503]
    assert {status for status, _ in answers} == {200, 503}
    assert set(refused) == {
        "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
        "max_enqueued_batches is 2"
    }


def test_metrics_of_batches(batched):
    batched.post(PREDICT, {"instances": ["a"]})
    text = batched.request("GET", "/monitoring/prometheus/metrics")[1].decode()
    for name in ("queuing_latency_count", "wrapped_run_count", "padding_size_sum", "input_batch_size_count"):
        assert f":tensorflow:serving:batching_session:{name}" in text
    assert ':tensorflow:serving:batching_session:padding_size_sum{execution_batch_size="2"}' in text
