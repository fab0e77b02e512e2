"""One way to measure any classifier on labelled rows, with intervals and slices."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from models import metrics
from models.baselines import taste_matrix
from models.metrics import Interval
from models.saved_model import Predictions
from sazon.schema import SENTIMENTS, TASTES

SLICE_COLUMNS = ("source", "region", "channel", "category")
_LEAST_SLICE_ROWS = 20


@dataclass(frozen=True)
class SentimentFigures:
    """Figures on the rows whose sentiment is labelled."""

    rows: int
    macro_f1: Interval
    accuracy: Interval
    per_class: dict[str, float | None]
    confusion: list[list[int]]
    calibration_error: float
    calibration: list[dict[str, float]]
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


def evaluate(rows: pd.DataFrame, answers: Predictions, *, with_slices: bool = True) -> Report:
    """Measures answers against labels.

    Args:
        rows: `sentiment` ("" = unlabelled), `tastes`, `tastes_labelled`, and the columns to slice by.
        answers: in the rows' order.
        with_slices: whether to measure each value of `SLICE_COLUMNS` that has at least 20 rows.
    """
    slices = {}
    if with_slices:
        for column in SLICE_COLUMNS:
            for value, index in rows.reset_index(drop=True).groupby(column).indices.items() if column in rows else ():
                if value != "" and len(index) >= _LEAST_SLICE_ROWS:
                    part = evaluate(rows.iloc[index], _take(answers, index), with_slices=False)
                    slices[f"{column}={value}"] = _headline(part)
    return Report(_sentiment(rows, answers), _tastes(rows, answers), slices)


def _take(answers: Predictions, index: np.ndarray) -> Predictions:
    return Predictions(
        [answers.sentiment[row] for row in index],
        answers.sentiment_probs[index],
        [answers.tastes[row] for row in index],
        answers.taste_probs[index],
    )


def _headline(report: Report) -> dict[str, Any]:
    line: dict[str, Any] = {}
    if report.sentiment:
        line |= {"rows": report.sentiment.rows, "macro_f1": asdict(report.sentiment.macro_f1)}
        line |= {"accuracy": report.sentiment.accuracy.value}
    if report.tastes:
        line |= {"tastes_micro_f1": asdict(report.tastes.micro_f1), "tastes_macro_f1": asdict(report.tastes.macro_f1)}
    return line


def _sentiment(rows: pd.DataFrame, answers: Predictions) -> SentimentFigures | None:
    labelled = np.flatnonzero(rows["sentiment"].to_numpy() != "")
    if not len(labelled):
        return None
    truth = np.array([SENTIMENTS.index(name) for name in rows["sentiment"].iloc[labelled]])
    probabilities = answers.sentiment_probs[labelled]
    predicted = probabilities.argmax(axis=1)
    classes = len(SENTIMENTS)
    calibration = metrics.calibration_bins(truth, probabilities)
    majority = np.full_like(truth, np.bincount(truth).argmax())
    return SentimentFigures(
        rows=len(truth),
        macro_f1=metrics.bootstrap(lambda i: metrics.macro_f1(truth[i], predicted[i], classes), len(truth)),
        accuracy=metrics.bootstrap(lambda i: float((truth[i] == predicted[i]).mean()), len(truth)),
        per_class=_named(SENTIMENTS, metrics.f1_per_class(truth, predicted, classes)),
        confusion=metrics.confusion_matrix(truth, predicted, classes).tolist(),
        calibration_error=metrics.expected_calibration_error(calibration),
        calibration=calibration,
        majority_macro_f1=metrics.macro_f1(truth, majority, classes),
    )


def _tastes(rows: pd.DataFrame, answers: Predictions) -> TasteFigures | None:
    labelled = np.flatnonzero(rows["tastes_labelled"].to_numpy() == 1)
    if not len(labelled):
        return None
    truth, predicted = taste_matrix(rows.iloc[labelled]), answers.taste_matrix[labelled]
    return TasteFigures(
        rows=len(truth),
        micro_f1=metrics.bootstrap(lambda i: metrics.multilabel_micro_f1(truth[i], predicted[i]), len(truth)),
        macro_f1=metrics.bootstrap(lambda i: metrics.multilabel_macro_f1(truth[i], predicted[i]), len(truth)),
        per_label=_named(TASTES, metrics.label_f1(truth, predicted)),
    )


def _named(names: tuple[str, ...], scores: np.ndarray) -> dict[str, float | None]:
    """Scores by name; None where the class does not occur (JSON knows no NaN)."""
    return {name: None if np.isnan(score) else float(score) for name, score in zip(names, scores, strict=True)}
