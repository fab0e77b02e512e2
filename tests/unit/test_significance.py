import numpy as np
import pytest

from models.evaluation.metrics import macro_f1
from models.evaluation.significance import SHUFFLES, compare


def classifier(rng, truth, accuracy):
    return np.where(rng.random(len(truth)) < accuracy, truth, rng.integers(0, 3, len(truth)))


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_a_clear_difference_is_significant_and_has_its_sign(rng):
    truth = rng.integers(0, 3, 800)
    better, worse = classifier(rng, truth, 0.8), classifier(rng, truth, 0.6)
    forth, back = compare(truth, better, worse, 3), compare(truth, worse, better, 3)
    assert forth.difference.value == pytest.approx(macro_f1(truth, better, 3) - macro_f1(truth, worse, 3))
    assert forth.difference.low > 0
    assert back.difference.value == pytest.approx(-forth.difference.value)
    assert forth.p_value == pytest.approx(1 / (SHUFFLES + 1))


def test_the_same_answers_differ_by_nothing(rng):
    truth = rng.integers(0, 3, 50)
    answers = classifier(rng, truth, 0.7)
    same = compare(truth, answers, answers, 3)
    assert (same.difference.value, same.p_value) == (0.0, 1.0)


def test_the_p_value_is_that_of_exchanging_rows_one_by_one(rng):
    truth = rng.integers(0, 3, 60)
    first, second = classifier(rng, truth, 0.75), classifier(rng, truth, 0.6)
    observed = abs(macro_f1(truth, first, 3) - macro_f1(truth, second, 3))
    reached = 0
    for _ in range(3000):
        swap = rng.random(60) < 0.5
        one, other = np.where(swap, second, first), np.where(swap, first, second)
        reached += abs(macro_f1(truth, one, 3) - macro_f1(truth, other, 3)) >= observed - 1e-12
    assert compare(truth, first, second, 3).p_value == pytest.approx(reached / 3000, abs=0.03)
