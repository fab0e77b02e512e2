"""Figures for classifiers: F1, calibration, intervals. Plain numpy, so that every part measures alike."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% percentile-bootstrap interval over rows."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts as (classes, classes) int, rows the truth, columns the prediction."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def f1_per_class(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """F1 of each class, (classes,) float; NaN for a class that is neither in truth nor in prediction."""
    matrix = confusion_matrix(truth, predicted, classes)
    hits, total = np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)
    return np.divide(2 * hits, total, out=np.full(classes, np.nan), where=total > 0)


def macro_f1(truth: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """Mean F1 over the classes that occur in truth or prediction.

    >>> float(macro_f1(np.array([0, 0, 1]), np.array([0, 0, 1]), 3))
    1.0
    """
    return float(np.nanmean(f1_per_class(truth, predicted, classes)))


def label_f1(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """F1 of each label of a multi-label task: (rows, labels) bool twice to (labels,) float, NaN for an absent label."""
    hits = (truth & predicted).sum(axis=0)
    total = truth.sum(axis=0) + predicted.sum(axis=0)
    return np.divide(2 * hits, total, out=np.full(truth.shape[1], np.nan), where=total > 0)


def multilabel_macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 over the labels that occur; 0 when none occurs."""
    scores = label_f1(truth, predicted)
    return 0.0 if np.isnan(scores).all() else float(np.nanmean(scores))


def multilabel_micro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """F1 over all cells at once; 0 when no label occurs."""
    total = truth.sum() + predicted.sum()
    return float(2 * (truth & predicted).sum() / total) if total else 0.0


def calibration_bins(truth: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Mean confidence, accuracy and rows of each filled equal-width bin of confidence.

    Args:
        truth: (rows,) int.
        probabilities: (rows, classes) float.
        bins: of confidence between 0 and 1.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "confidence": float(confidence[place == index].mean()),
            "accuracy": float(right[place == index].mean()),
            "rows": int((place == index).sum()),
        }
        for index in range(bins)
        if (place == index).any()
    ]


def expected_calibration_error(calibration: list[dict[str, float]]) -> float:
    """Gap between confidence and accuracy, mean over bins weighted by their rows.

    Source: Naeini et al. (2015); Guo et al., "On Calibration of Modern Neural Networks" (2017).
    """
    rows = sum(bin_["rows"] for bin_ in calibration)
    return sum(abs(bin_["confidence"] - bin_["accuracy"]) * bin_["rows"] for bin_ in calibration) / rows


def bootstrap(figure: Callable[[np.ndarray], float], rows: int, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Percentile bootstrap of a figure over rows.

    Args:
        figure: takes row numbers, (rows,) int, and gives the figure on them.
        rows: how many there are.
        seed: of the resampling, so that a table can be made again.
        resamples: how many.
    """
    rng = np.random.default_rng(seed)
    draws = [figure(rng.integers(0, rows, rows)) for _ in range(resamples)]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return Interval(float(figure(np.arange(rows))), float(low), float(high))


def best_threshold(truth: np.ndarray, probabilities: np.ndarray, least_positives: int = 5) -> float:
    """The threshold between 0.1 and 0.9 of highest F1; 0.5 when there are too few positives to choose by.

    Args:
        truth: (rows,) bool.
        probabilities: (rows,) float.
        least_positives: fewer than this and the choice would be noise.
    """
    if truth.sum() < least_positives:
        return 0.5
    grid = np.round(np.arange(0.1, 0.91, 0.05), 2)
    scores = [label_f1(truth[:, None], (probabilities >= threshold)[:, None])[0] for threshold in grid]
    best = np.flatnonzero(np.array(scores) >= np.nanmax(scores) - 1e-9)
    return float(grid[best[len(best) // 2]])
