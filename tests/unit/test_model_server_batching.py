"""Batches: how they form, run, and refuse."""

import threading
import time

import numpy as np
import pytest

from serving.model_server.batches import merge, padded_size, split
from serving.model_server.batching import Batcher
from serving.model_server.config_files import BatchingOptions
from serving.model_server.signature import Signature
from serving.model_server.statuses import Code, StatusError, invalid_argument
from serving.model_server.telemetry import Telemetry


class Doubling:
    """Answers y = 2 x, remembers the sizes it was run with, and can be held."""

    signatures = {"s": Signature({"x": "float"}, ("y",))}

    def __init__(self) -> None:
        self.sizes, self.go = [], threading.Event()
        self.go.set()
        self.running = threading.Event()

    def run(self, signature, inputs, outputs=None, deadline_at=None):
        self.running.set()
        assert self.go.wait(10)
        self.sizes.append(len(inputs["x"]))
        return {"y": 2 * inputs["x"]}


class Clients:
    """Requests from several threads at once."""

    def __init__(self, batcher, model) -> None:
        self.batcher, self.model, self.answers, self.threads = batcher, model, {}, []

    def send(self, name, values, deadline_at=None) -> None:
        def ask() -> None:
            try:
                inputs = {"x": np.array(values, np.float32)}
                answer = self.batcher.run(self.model, "s", inputs, None, deadline_at)
                self.answers[name] = answer["y"].tolist()
            except StatusError as error:
                self.answers[name] = error

        thread = threading.Thread(target=ask)
        thread.start()
        self.threads.append(thread)

    def wait(self) -> dict:
        for thread in self.threads:
            thread.join(10)
        return self.answers


def start(**options):
    model = Doubling()
    return model, Clients(Batcher(BatchingOptions(**{"threads": 1, **options}), Telemetry()), model)


def hold(model, clients) -> None:
    """Keeps the only thread busy with a first request."""
    model.go.clear()
    clients.send("first", [0.0])
    assert model.running.wait(5)


def queued(clients, count: int) -> None:
    give_up_at = time.monotonic() + 5
    while sum(len(batch.tasks) for queue in clients.batcher._waiting for batch in queue.batches) < count:
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


def test_requests_that_wait_together_run_together():
    model, clients = start()
    hold(model, clients)
    clients.send("a", [1.0, 2.0])
    clients.send("b", [3.0])
    queued(clients, 2)
    model.go.set()
    answers = clients.wait()
    assert (answers["a"], answers["b"]) == ([2.0, 4.0], [6.0])
    assert model.sizes == [1, 3]


def test_a_batch_is_filled_up_to_an_allowed_size():
    model, clients = start(max_batch_size=4, allowed_batch_sizes=(4,))
    clients.send("a", [1.0])
    assert clients.wait()["a"] == [2.0]
    assert model.sizes == [4]


def test_a_batch_waits_for_its_timeout_unless_it_is_full():
    model, clients = start(max_batch_size=2, batch_timeout_s=5.0)
    started = time.monotonic()
    clients.send("a", [1.0])
    clients.send("b", [2.0])
    assert clients.wait() == {"a": [2.0], "b": [4.0]}
    assert model.sizes == [2]
    assert time.monotonic() - started < 4


def test_a_full_queue_refuses():
    model, clients = start(max_batch_size=1, max_enqueued_batches=2)
    hold(model, clients)
    clients.send("a", [1.0])
    clients.send("b", [2.0])
    queued(clients, 2)
    clients.send("late", [3.0])
    clients.threads[-1].join(5)
    model.go.set()
    error = clients.wait()["late"]
    assert error.code is Code.UNAVAILABLE
    assert error.message == (
        "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
        "max_enqueued_batches is 2"
    )


def test_a_request_over_the_largest_batch_is_the_clients_error():
    _, clients = start(max_batch_size=4)
    clients.send("a", [1.0] * 5)
    error = clients.wait()["a"]
    assert (error.code, error.message) == (
        Code.INVALID_ARGUMENT,
        "Task size 5 is larger than maximum input batch size 4",
    )


def test_a_request_that_waits_too_long():
    model, clients = start()
    hold(model, clients)
    clients.send("a", [1.0], time.monotonic() + 0.05)
    clients.threads[-1].join(5)
    error = clients.answers["a"]
    model.go.set()
    clients.wait()
    assert (error.code, error.message) == (
        Code.RESOURCE_EXHAUSTED,
        "Run() timeout exceeded while waiting in batching queue",
    )
    assert model.sizes == [1]


def test_shapes_that_differ_are_padded_or_refused():
    short, long = np.array([[7.0, 1.0]], np.float32), np.array([[1.0, 2.0, 3.0]], np.float32)
    merged = merge([{"x": short}, {"x": long}], 3, pad=True)
    assert merged["x"].tolist() == [[7, 1, 7], [1, 2, 3], [1, 2, 3]]
    texts = [np.array([[b"a"]], object), np.array([[b"b", b"c"]], object)]
    assert merge([{"x": text} for text in texts], 2, pad=True)["x"].tolist() == [[b"a", b"a"], [b"b", b"c"]]
    with pytest.raises(StatusError, match="have different shapes and padding is turned off") as caught:
        merge([{"x": short}, {"x": long}], 2, pad=False)
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_answers_are_taken_apart_or_refused():
    parts = split({"y": np.arange(4)}, 4, [1, 2])
    assert [part["y"].tolist() for part in parts] == [[0], [1, 2]]
    with pytest.raises(StatusError, match="Batched output tensor has 0 dimensions"):
        split({"y": np.array(1)}, 4, [4])
    with pytest.raises(StatusError, match="does not equal the sum"):
        split({"y": np.arange(3)}, 4, [4])


def test_allowed_sizes():
    assert [padded_size(rows, (2, 8)) for rows in (1, 2, 3)] == [2, 2, 8]


class Picky(Doubling):
    """Refuses negative numbers, whole batches of them too."""

    def run(self, signature, inputs, outputs=None, deadline_at=None):
        answer = super().run(signature, inputs, outputs, deadline_at)
        if (inputs["x"] < 0).any():
            raise invalid_argument("negative")
        return answer


def test_what_the_model_refuses_does_not_fail_its_neighbours():
    model = Picky()
    clients = Clients(Batcher(BatchingOptions(threads=1, max_batch_size=4), Telemetry()), model)
    model.go.clear()
    clients.send("first", [0])
    assert model.running.wait(10)
    for name, value in (("good", 1), ("bad", -1), ("fine", 2)):
        clients.send(name, [value])
    time.sleep(0.2)
    model.go.set()
    answers = clients.wait()
    assert (answers["good"], answers["fine"], answers["bad"].code) == ([2.0], [4.0], Code.INVALID_ARGUMENT)
    assert model.sizes == [1, 3, 1, 1, 1]


def test_other_shapes_than_declared_run_alone():
    model = Doubling()
    model.signatures = {"s": Signature({"x": "float"}, ("y",), {"x": (-1, 2)})}
    batcher = Batcher(BatchingOptions(threads=1, max_batch_size=2, split_large=True), Telemetry())
    assert batcher.run(model, "s", {"x": np.zeros((2, 3))})["y"].shape == (2, 3)
    assert batcher.run(model, "s", {"x": np.zeros((9, 2))})["y"].shape == (9, 2)
    assert batcher.run(model, "s", {"x": np.zeros((2, 2))})["y"].shape == (2, 2)
