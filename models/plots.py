"""Plots of an evaluation: confusion matrix and calibration, drawn for people who would rather look than read."""

from typing import Any

import numpy as np

from sazon.schema import SENTIMENTS

_INK, _ACCENT = "#3b2a20", "#c2461f"


def plot_confusion(confusion: list[list[int]]) -> Any:
    """A matplotlib figure: rows the truth, columns the prediction, shares by row with counts."""
    from matplotlib.figure import Figure

    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.6, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="OrRd", vmin=0, vmax=1)
    axes.set(xticks=range(3), yticks=range(3), xticklabels=SENTIMENTS, yticklabels=SENTIMENTS)
    axes.set(xlabel="predicted", ylabel="labelled", title="Sentiment on the test split")
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.6 else _INK
        axes.text(
            column, row, f"{counts[row, column]}\n{shares[row, column]:.0%}", ha="center", va="center", color=colour
        )
    return figure


def plot_calibration(calibration: list[dict[str, float]], error: float) -> Any:
    """A matplotlib figure: accuracy against confidence.

    Args:
        calibration: filled bins with `confidence`, `accuracy`, `rows`, as from `metrics.calibration_bins`.
        error: expected calibration error, for the title.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":")
    confidence, accuracy = ([bin_[key] for bin_ in calibration] for key in ("confidence", "accuracy"))
    axes.plot(confidence, accuracy, marker="o", color=_ACCENT)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", title=f"Calibration, error {error:.3f}")
    return figure
