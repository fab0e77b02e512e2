import numpy as np
import pytest
from sklearn.metrics import f1_score

from models import metrics


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_macro_f1_is_that_of_scikit_learn(rng):
    truth, predicted = rng.integers(0, 3, 400), rng.integers(0, 3, 400)
    assert metrics.macro_f1(truth, predicted, 3) == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_multilabel_f1_is_that_of_scikit_learn(rng):
    truth, predicted = rng.random((300, 10)) < 0.2, rng.random((300, 10)) < 0.3
    assert metrics.multilabel_micro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert metrics.multilabel_macro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_a_class_that_never_occurs_is_left_out():
    assert metrics.macro_f1(np.array([0, 1]), np.array([0, 1]), 3) == 1.0
    assert metrics.multilabel_macro_f1(np.zeros((3, 2), bool), np.zeros((3, 2), bool)) == 0.0


def test_the_interval_holds_the_value_and_narrows_with_rows(rng):
    widths = []
    for rows in (50, 5000):
        right = rng.random(rows) < 0.7
        interval = metrics.bootstrap(lambda index, right=right: float(right[index].mean()), rows)
        assert interval.low <= interval.value <= interval.high
        widths.append(interval.high - interval.low)
    assert widths[0] > 5 * widths[1]


def test_calibration_error_of_an_honest_and_of_a_boastful_model(rng):
    confidence = rng.uniform(0.5, 1.0, 20_000)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    honest = (rng.random(20_000) > confidence).astype(int)
    assert metrics.expected_calibration_error(metrics.calibration_bins(honest, probabilities)) < 0.02
    boastful = rng.integers(0, 2, 20_000)
    assert metrics.expected_calibration_error(metrics.calibration_bins(boastful, probabilities)) > 0.2


def test_the_threshold_maximises_f1_and_is_not_chosen_from_noise():
    probabilities = np.linspace(0, 1, 101)
    assert metrics.best_threshold(probabilities >= 0.3, probabilities) == pytest.approx(0.3, abs=0.051)
    assert metrics.best_threshold(probabilities >= 0.98, probabilities) == 0.5
