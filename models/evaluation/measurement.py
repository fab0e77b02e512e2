"""One way to measure any classifier on labelled rows, with intervals and slices."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation import metrics
from models.evaluation.baselines import taste_matrix
from models.evaluation.calibration import unscale
from models.evaluation.metrics import Interval
from models.evaluation.significance import Comparison, compare
from models.export.saved_model import Predictions
from sazon.schema import SENTIMENTS, TASTES

SLICE_COLUMNS = ("source", "region", "channel", "category", "phenomenon")
_LEAST_SLICE_ROWS = 20


@dataclass(frozen=True)
class Calibration:
    """How far confidence is from accuracy: overall, and in each filled bin of confidence."""

    error: float
    bins: list[dict[str, float]]


@dataclass(frozen=True)
class SentimentFigures:
    """Figures on the rows whose sentiment is labelled; `unscaled` as without the temperature, where one is known."""

    rows: int
    macro_f1: Interval
    accuracy: Interval
    per_class: dict[str, float | None]
    confusion: list[list[int]]
    calibration_error: float
    calibration: list[dict[str, float]]
    unscaled: Calibration | None
    majority_macro_f1: float


@dataclass(frozen=True)
class TasteFigures:
    """Figures on the rows whose tastes are labelled."""

    rows: int
    micro_f1: Interval
    macro_f1: Interval
    per_label: dict[str, float | None]


@dataclass(frozen=True)
class Report:
    """All figures of one classifier on one set of rows; either part is None where nothing is labelled."""

    sentiment: SentimentFigures | None
    tastes: TasteFigures | None
    slices: dict[str, dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Plain dicts, for JSON."""
        return asdict(self)


def evaluate(rows: pd.DataFrame, answers: Predictions, temperature: float | None = None) -> Report:
    """Measures answers against labels, on all rows and on each value of `SLICE_COLUMNS` that has at least 20 rows.

    Args:
        rows: `sentiment` ("" = unlabelled), `tastes`, `tastes_labelled`, and whichever of the columns to slice by.
        answers: in the rows' order.
        temperature: by which the probabilities of sentiment were scaled, if they were.
    """
    rows = rows.reset_index(drop=True)
    slices = {
        f"{column}={value}": _slice_figures(rows.iloc[index], _take(answers, index))
        for column in SLICE_COLUMNS
        if column in rows
        for value, index in rows.groupby(column).indices.items()
        if value != "" and len(index) >= _LEAST_SLICE_ROWS
    }
    return Report(_sentiment(rows, answers, temperature), _tastes(rows, answers), slices)


def labelled_sentiment(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows whose sentiment is labelled, and their classes; both (labelled,) int."""
    names = rows["sentiment"].to_numpy()
    labelled = np.flatnonzero(names != "")
    return labelled, np.array([SENTIMENTS.index(name) for name in names[labelled]], int)


def compare_sentiment(rows: pd.DataFrame, first: Sequence[str], second: Sequence[str]) -> Comparison:
    """Tests whether the first classifier's sentiments are better than the second's on the labelled rows.

    Args:
        rows: as for `evaluate`; at least one sentiment is labelled.
        first: sentiments in the rows' order.
        second: of the other classifier.
    """
    labelled, truth = labelled_sentiment(rows)
    own, others = (np.array([SENTIMENTS.index(names[row]) for row in labelled]) for names in (first, second))
    return compare(truth, own, others, len(SENTIMENTS))


def _take(answers: Predictions, index: np.ndarray) -> Predictions:
    return Predictions(
        [answers.sentiment[row] for row in index],
        answers.sentiment_probs[index],
        [answers.tastes[row] for row in index],
        answers.taste_probs[index],
    )


def _slice_figures(rows: pd.DataFrame, answers: Predictions) -> dict[str, Any]:
    sentiment, tastes = _sentiment(rows, answers), _tastes(rows, answers)
    line: dict[str, Any] = {}
    if sentiment:
        line |= {"rows": sentiment.rows, "macro_f1": asdict(sentiment.macro_f1), "accuracy": sentiment.accuracy.value}
    if tastes:
        line |= {"tastes_micro_f1": asdict(tastes.micro_f1), "tastes_macro_f1": asdict(tastes.macro_f1)}
    return line


def _sentiment(rows: pd.DataFrame, answers: Predictions, temperature: float | None = None) -> SentimentFigures | None:
    labelled, truth = labelled_sentiment(rows)
    if not len(labelled):
        return None
    probabilities = answers.sentiment_probs[labelled]
    matrix = metrics.confusion_matrix(truth, probabilities.argmax(axis=1), len(SENTIMENTS))
    majority = np.full_like(truth, np.bincount(truth).argmax())
    calibration = _calibration(truth, probabilities)
    return SentimentFigures(
        rows=len(truth),
        macro_f1=metrics.macro_f1_interval(matrix),
        accuracy=metrics.accuracy_interval(matrix),
        per_class=_named(SENTIMENTS, metrics.f1_of_confusion(matrix)),
        confusion=matrix.tolist(),
        calibration_error=calibration.error,
        calibration=calibration.bins,
        unscaled=None if temperature is None else _calibration(truth, unscale(probabilities, temperature)),
        majority_macro_f1=metrics.macro_f1(truth, majority, len(SENTIMENTS)),
    )


def _calibration(truth: np.ndarray, probabilities: np.ndarray) -> Calibration:
    bins = metrics.calibration_bins(truth, probabilities)
    return Calibration(metrics.expected_calibration_error(bins), bins)


def _tastes(rows: pd.DataFrame, answers: Predictions) -> TasteFigures | None:
    labelled = np.flatnonzero(rows["tastes_labelled"].to_numpy() == 1)
    if not len(labelled):
        return None
    truth, predicted = taste_matrix(rows.iloc[labelled]), answers.taste_matrix[labelled]
    micro, macro = metrics.multilabel_intervals(truth, predicted)
    return TasteFigures(len(truth), micro, macro, _named(TASTES, metrics.label_f1(truth, predicted)))


def _named(names: tuple[str, ...], scores: np.ndarray) -> dict[str, float | None]:
    """Scores by name; None where the class does not occur (JSON knows no NaN)."""
    return {name: None if np.isnan(score) else float(score) for name, score in zip(names, scores, strict=True)}
