import numpy as np
import pytest

from models.evaluation.calibration import LEAST_ROWS, fit_temperature, unscale
from models.evaluation.metrics import calibration_bins, expected_calibration_error


@pytest.fixture
def drawn():
    """Logits, and truths drawn from the very probabilities that they mean."""
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (4000, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (rng.random((4000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=2)
    return logits, truth


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_over_and_underconfidence(drawn, temperature):
    logits, truth = drawn
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.08)


def test_log_probabilities_serve_as_logits(drawn):
    logits, truth = drawn
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert fit_temperature(logs, truth) == pytest.approx(fit_temperature(logits, truth), rel=1e-3)


def test_too_few_rows_leave_the_probabilities_alone(drawn):
    logits, truth = drawn
    assert fit_temperature(logits[: LEAST_ROWS - 1] * 5, truth[: LEAST_ROWS - 1]) == 1.0


def test_a_small_split_without_a_mistake_does_not_make_the_model_boundlessly_sure():
    truth = np.arange(60) % 3
    logits = np.eye(3)[truth]
    scaled = logits / fit_temperature(logits, truth)
    assert 0.9 < (np.exp(scaled) / np.exp(scaled).sum(axis=1, keepdims=True)).max() < 0.99


def test_unscaling_gives_back_what_was_scaled(drawn):
    logits, truth = drawn
    before = np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True)
    after = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(unscale(after, 3.0), before, atol=1e-6)
    errors = [expected_calibration_error(calibration_bins(truth, table)) for table in (before, after)]
    assert errors[0] > 3 * errors[1]


def test_certainty_survives_unscaling():
    assert np.isfinite(unscale(np.array([[1.0, 0.0, 0.0]], np.float32), 2.0)).all()
