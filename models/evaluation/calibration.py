"""Temperature scaling: one number that makes probabilities honest and changes no answer."""

import numpy as np

LEAST_ROWS = 50
_BOUNDS = (0.1, 10.0)


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature by which logits are divided for the lowest cross-entropy on held-out rows.

    Args:
        logits: or log probabilities, (rows, classes) float, finite.
        truth: (rows,) int.

    Returns:
        Between 0.1 and 10; 1.0 where there are fewer than `LEAST_ROWS` rows.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017). The target of a row is not quite 1, as in
        Platt, "Probabilistic outputs for support vector machines" (1999): without it, a small split without a mistake
        would ask for boundless confidence.
    """
    from scipy.optimize import minimize_scalar

    rows, classes = logits.shape
    if rows < LEAST_ROWS:
        return 1.0
    targets = np.full((rows, classes), 1 / (rows + classes))
    targets[np.arange(rows), truth] += rows / (rows + classes)

    def cross_entropy(log_temperature: float) -> float:
        return float(-(targets * _log_softmax(logits / np.exp(log_temperature))).sum(axis=1).mean())

    found = minimize_scalar(cross_entropy, bounds=tuple(np.log(_BOUNDS)), method="bounded")
    return float(np.exp(found.x))


def unscale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities as they were before scaling by a temperature, (rows, classes) float.

    >>> unscale(np.array([[0.5, 0.5]]), 2.0).tolist()
    [[0.5, 0.5]]
    """
    return np.exp(_log_softmax(temperature * np.log(np.maximum(probabilities.astype(np.float64), 1e-12))))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
