import numpy as np
import pytest
from sklearn.metrics import f1_score

from models.evaluation import metrics


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


def by_rows(figure, rows, resamples=2000):
    """The interval of the textbook: rows are drawn, and the figure is computed on each draw."""
    rng = np.random.default_rng(5)
    return np.percentile([figure(rng.integers(0, rows, rows)) for _ in range(resamples)], [2.5, 97.5])


def test_drawing_counts_gives_the_interval_of_drawing_rows(rng):
    truth = rng.integers(0, 3, 300)
    predicted = np.where(rng.random(300) < 0.7, truth, rng.integers(0, 3, 300))
    matrix = metrics.confusion_matrix(truth, predicted, 3)
    found = metrics.macro_f1_interval(matrix)
    assert found.value == pytest.approx(metrics.macro_f1(truth, predicted, 3))
    expected = by_rows(lambda index: metrics.macro_f1(truth[index], predicted[index], 3), 300)
    assert [found.low, found.high] == pytest.approx(expected, abs=0.01)
    found = metrics.accuracy_interval(matrix)
    expected = by_rows(lambda index: (truth[index] == predicted[index]).mean(), 300)
    assert [found.low, found.high] == pytest.approx(expected, abs=0.01)


def test_drawing_counts_of_labels_gives_the_intervals_of_drawing_rows(rng):
    truth = rng.random((200, 4)) < 0.3
    predicted = truth ^ (rng.random((200, 4)) < 0.15)
    for found, figure in zip(
        metrics.multilabel_intervals(truth, predicted),
        (metrics.multilabel_micro_f1, metrics.multilabel_macro_f1),
        strict=True,
    ):
        expected = by_rows(lambda index, figure=figure: figure(truth[index], predicted[index]), 200)
        assert found.value == pytest.approx(figure(truth, predicted))
        assert [found.low, found.high] == pytest.approx(expected, abs=0.015)


def test_the_interval_narrows_with_rows():
    few, many = (metrics.accuracy_interval(np.array([[7, 3], [0, 0]]) * rows) for rows in (5, 500))
    assert few.high - few.low > 5 * (many.high - many.low)


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


def test_thresholds_of_rare_labels_lean_on_those_of_the_others(rng):
    """Many labels that are best cut at 0.3; one has five positives that by chance ask for 0.9."""
    probabilities = rng.random((400, 6))
    truth = probabilities >= 0.3
    truth[:, 5] = probabilities[:, 5] >= np.sort(probabilities[:, 5])[-5]
    alone = metrics.best_threshold(truth[:, 5], probabilities[:, 5])
    chosen = metrics.best_thresholds(truth, probabilities)
    assert chosen[:5] == pytest.approx([0.3] * 5, abs=0.06)
    assert chosen[5] < 0.4 < alone
    assert metrics.best_thresholds(np.zeros((0, 3), bool), np.zeros((0, 3))).tolist() == [0.5] * 3
