"""The mistakes a model was surest of: what to read first when it disappoints."""

import numpy as np
import pandas as pd

from models.evaluation.measurement import SLICE_COLUMNS, labelled_sentiment
from models.export.saved_model import Predictions
from sazon.schema import SENTIMENTS, TASTE_SEPARATOR

COLUMNS = ("text", "labelled", "predicted", "confidence", "tastes_missed", "tastes_invented")


def worst_mistakes(rows: pd.DataFrame, answers: Predictions, most: int = 50) -> pd.DataFrame:
    """Rows whose sentiment was answered wrongly, the surest first.

    Args:
        rows: as for `evaluate`.
        answers: in the rows' order.
        most: how many to keep.

    Returns:
        `COLUMNS` and whichever of `SLICE_COLUMNS` the rows have; the tastes "" where none is labelled.
    """
    labelled, truth = labelled_sentiment(rows)
    probabilities = answers.sentiment_probs[labelled]
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    shown = rows.iloc[labelled[wrong]]
    missed, invented = _taste_errors(shown, [answers.tastes[row] for row in labelled[wrong]])
    table = {
        "text": shown["text"],
        "labelled": shown["sentiment"],
        "predicted": [SENTIMENTS[index] for index in predicted[wrong]],
        "confidence": confidence[wrong].round(4).astype(float),
        "tastes_missed": missed,
        "tastes_invented": invented,
        **{column: shown[column] for column in SLICE_COLUMNS if column in shown},
    }
    return pd.DataFrame(table).reset_index(drop=True)


def _taste_errors(rows: pd.DataFrame, named: list[tuple[str, ...]]) -> tuple[list[str], list[str]]:
    missed, invented = [], []
    for labels, known, answer in zip(rows["tastes"], rows["tastes_labelled"], named, strict=True):
        missed.append(_joined(set(labels) - set(answer)) if known else "")
        invented.append(_joined(set(answer) - set(labels)) if known else "")
    return missed, invented


def _joined(names: set[str]) -> str:
    return TASTE_SEPARATOR.join(sorted(names))
