"""Whether annotators mean the same: Krippendorff's alpha, 1 for always, 0 for as often as by chance.

Source: Krippendorff, Content Analysis (4th ed., 2018), chapter 12; computed by the package `krippendorff`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import krippendorff
import numpy as np

from data.labelling.book import Annotation
from sazon.schema import SENTIMENTS, TASTES


@dataclass(frozen=True)
class Agreement:
    """Nominal alpha of the sentiment, and of each taste as named or not; None where only one value was ever given.

    `texts` counts those that two or more annotators labelled.
    """

    texts: int
    sentiment: float | None
    tastes: dict[str, float | None]


def measure_agreement(annotations: Sequence[Annotation]) -> Agreement:
    """Agreement of annotations; texts with one annotation do not count."""
    by_task: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        by_task[annotation.task].append(annotation)
    shared = [votes for votes in by_task.values() if len(votes) > 1]
    sentiment = [[SENTIMENTS.index(vote.label.sentiment) for vote in votes] for votes in shared]
    tastes = {taste: [[int(taste in vote.label.tastes) for vote in votes] for votes in shared] for taste in TASTES}
    return Agreement(
        len(shared),
        _alpha(sentiment, len(SENTIMENTS)),
        {taste: _alpha(values, 2) for taste, values in tastes.items()},
    )


def _alpha(values: list[list[int]], classes: int) -> float | None:
    """Of (texts) lists of class indices, one an annotator."""
    if len({value for unit in values for value in unit}) < 2:
        return None
    counts = np.array([np.bincount(unit, minlength=classes) for unit in values])
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
