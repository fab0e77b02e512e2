"""Plots of an evaluation: confusion matrix, calibration and slices, for people who would rather look than read."""

from typing import Any

import numpy as np

from sazon.schema import SENTIMENTS

_INK, _ACCENT, _PALE = "#3b2a20", "#c2461f", "#d9a68f"


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


def plot_calibration(sentiment: dict[str, Any]) -> Any:
    """A matplotlib figure: accuracy against confidence, as served and, where it is known, before scaling.

    Args:
        sentiment: the `sentiment` part of a report.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":")
    curves = [("as served", _ACCENT, sentiment["calibration"], sentiment["calibration_error"])]
    if before := sentiment["unscaled"]:
        curves.append(("before scaling", _PALE, before["bins"], before["error"]))
    for name, colour, bins, error in reversed(curves):
        confidence, accuracy = ([bin_[key] for bin_ in bins] for key in ("confidence", "accuracy"))
        axes.plot(confidence, accuracy, marker="o", color=colour, label=f"{name}, error {error:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", title="Calibration of sentiment")
    axes.legend(loc="upper left", frameon=False)
    return figure


def plot_slices(report: dict[str, Any]) -> Any:
    """A matplotlib figure: macro-F1 of sentiment on each slice with its 95% interval, worst first, all rows as a line.

    Args:
        report: a report with at least one slice.
    """
    from matplotlib.figure import Figure

    lines = [(name, line["macro_f1"], line["rows"]) for name, line in report["slices"].items() if "macro_f1" in line]
    lines.sort(key=lambda line: -line[1]["value"])
    figure = Figure(figsize=(6.4, 1.2 + 0.24 * len(lines)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(report["sentiment"]["macro_f1"]["value"], color=_INK, linewidth=0.8, linestyle=":")
    for row, (_, interval, _) in enumerate(lines):
        axes.plot([interval["low"], interval["high"]], [row, row], color=_PALE, linewidth=3)
        axes.plot(interval["value"], row, marker="o", markersize=4, color=_ACCENT)
    axes.set(xlim=(0, 1), xlabel="macro-F1 of sentiment", title="Slices of the test split, 95% intervals")
    axes.set_yticks(range(len(lines)), [f"{name} ({rows:,})" for name, _, rows in lines], fontsize=8)
    return figure
