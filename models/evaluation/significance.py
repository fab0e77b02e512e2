"""Is one classifier better than another on the same rows, or was it luck?"""

from dataclasses import dataclass

import numpy as np

from models.evaluation.metrics import Interval, f1_of_confusion, interval, resample

SHUFFLES = 10_000


@dataclass(frozen=True)
class Comparison:
    """How much higher the first classifier's macro-F1 is than the second's, and how likely chance alone does that."""

    rows: int
    difference: Interval
    p_value: float


def compare(truth: np.ndarray, first: np.ndarray, second: np.ndarray, classes: int, seed: int = 0) -> Comparison:
    """Two-sided test by approximate randomisation on macro-F1: each row's two answers are exchanged, or not.

    Args:
        truth: (rows,) int.
        first: predictions of one classifier, (rows,) int.
        second: of the other, (rows,) int.
        classes: how many there are.
        seed: of the shuffles, so that a report can be made again.

    Source: Noreen, "Computer-Intensive Methods for Testing Hypotheses" (1989); Yeh, "More accurate tests for the
        statistical significance of result differences" (2000).
    """
    shape = (classes, classes, classes)  # truth, first, second
    counts = np.bincount(np.ravel_multi_index((truth, first, second), shape), minlength=classes**3)
    observed = _difference(counts.reshape(shape))
    # Rows with the same truth and answers are alike: how many of them are exchanged is all that matters.
    kept = np.random.default_rng(seed).binomial(counts, 0.5, (SHUFFLES, classes**3)).reshape(-1, *shape)
    exchanged = counts.reshape(shape) - kept
    shuffled = _difference(kept + exchanged.swapaxes(-2, -1))
    as_far = int((np.abs(shuffled) >= abs(observed) - 1e-12).sum())
    draws = _difference(resample(counts, seed=seed).reshape(-1, *shape))
    return Comparison(len(truth), interval(observed, draws), (as_far + 1) / (SHUFFLES + 1))


def _difference(counts: np.ndarray) -> np.ndarray:
    """Macro-F1 of the first minus the second, (…, truth, first, second) counts to (…,) float."""
    first, second = counts.sum(axis=-1), counts.sum(axis=-2)
    return np.nanmean(f1_of_confusion(first), axis=-1) - np.nanmean(f1_of_confusion(second), axis=-1)
