"""Large batches in pieces give what the whole gives."""

import time

import numpy as np
import pytest

from serving.model_server.chunks import MAX_CHUNK_ROWS, run_in_chunks
from serving.model_server.statuses import Code, StatusError


@pytest.fixture
def sizes():
    return []


def test_pieces_are_joined_in_order(sizes):
    def double(x):
        sizes.append(len(x))
        return [x * 2, np.array([b"a"] * len(x), object)]

    values = np.arange(1000.0)
    doubled, texts = run_in_chunks(double, [values], None)
    np.testing.assert_array_equal(doubled, values * 2)
    assert texts.shape == (1000,)
    assert max(sizes) == MAX_CHUNK_ROWS
    assert sum(sizes) == 1000


@pytest.mark.parametrize(
    "model",
    [
        lambda x: [x.sum()],
        lambda x: [x[:10]],
        lambda x: [np.zeros((len(x), int(x[0]) + 1))],
    ],
    ids=["scalar", "fewer rows", "ragged"],
)
def test_a_model_that_does_not_answer_row_by_row_runs_whole(model):
    values = np.arange(1000.0)
    np.testing.assert_array_equal(run_in_chunks(model, [values], None)[0], model(values)[0])


def test_inputs_of_different_lengths_run_whole(sizes):
    def add(x, y):
        sizes.append(len(x))
        return [x + y]

    run_in_chunks(add, [np.zeros(1000), np.zeros(())], None)
    assert sizes == [1000]


def test_no_piece_starts_after_the_deadline(sizes):
    def slow(x):
        sizes.append(len(x))
        time.sleep(0.05)
        return [x]

    with pytest.raises(StatusError) as caught:
        run_in_chunks(slow, [np.zeros(10 * MAX_CHUNK_ROWS)], time.monotonic() + 0.08)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    assert len(sizes) < 10
