"""Gold questions: texts whose label is known, to see who labels with care."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from random import Random
from typing import Final

from data.labelled import read_labelled
from data.labelling.book import Annotation, Annotator, Item, LabelBook, name_task
from data.personal import redact_all
from sazon.schema import TASTE_SEPARATOR

MIN_ACCURACY: Final = 0.8
"""An annotator whose share of right sentiments is below is flagged."""
MIN_ANSWERS: Final = 5
"""Nobody is judged on fewer gold questions."""


@dataclass(frozen=True)
class Standing:
    """How an annotator does.

    Attributes:
        labelled: texts, gold questions not counted.
        gold: gold questions answered; `right` of them with the right sentiment, `exact` with all tastes right too.
        flagged: whether too few of enough are right.
    """

    name: str
    labelled: int
    gold: int
    right: int
    exact: int
    flagged: bool
    adjudicates: bool
    left_out: bool

    @property
    def accuracy(self) -> float | None:
        """Share of gold questions with the right sentiment."""
        return self.right / self.gold if self.gold else None


def add_gold(book: LabelBook, path: Path) -> int:
    """Takes labelled texts as gold questions, redacted; the same text again changes its label only.

    Returns:
        The number of gold questions in the file.

    Raises:
        DataError: unreadable, or with other labels than the contract's.
    """
    rows = read_labelled(path)
    rows = rows[rows["sentiment"] != ""]
    texts, _ = redact_all(rows["text"].tolist())
    products = redact_all(rows["product"].tolist())[0] if "product" in rows else [""] * len(rows)
    known = {item.task: item for item in book.items()}
    items = {}
    for text, product, sentiment, tastes in zip(texts, products, rows["sentiment"], rows["tastes"], strict=True):
        task = name_task(f"gold\0{text}")
        old = known.get(task, Item(task, "", text, product, 0))
        items[task] = replace(old, true_sentiment=sentiment, true_tastes=TASTE_SEPARATOR.join(tastes))
    book.put(list(items.values()))
    return len(items)


def judge_annotators(
    items: Iterable[Item],
    annotations: Sequence[Annotation],
    annotators: Iterable[Annotator],
    min_accuracy: float = MIN_ACCURACY,
) -> list[Standing]:
    """How each annotator does on the gold questions."""
    truths = {item.task: item.truth for item in items if item.is_gold}
    answers: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        answers[annotation.annotator].append(annotation)
    standings = []
    for one in annotators:
        gold = [answer for answer in answers[one.name] if answer.task in truths]
        right = sum(answer.label.sentiment == truths[answer.task].sentiment for answer in gold)
        exact = sum(answer.label == truths[answer.task] for answer in gold)
        flagged = len(gold) >= MIN_ANSWERS and right / len(gold) < min_accuracy
        labelled = len(answers[one.name]) - len(gold)
        standings.append(Standing(one.name, labelled, len(gold), right, exact, flagged, one.adjudicates, one.left_out))
    return standings


def mix_in(waiting: list[Item], gold: list[Item], share: float) -> list[Item]:
    """Puts gold questions at places that look random, the same for the same tasks.

    Args:
        waiting: texts to label.
        gold: questions to choose from, the first ones first.
        share: gold questions per text, rounded up.
    """
    chosen = gold[: ceil(share * len(waiting))]
    dice = Random("".join(item.task for item in waiting))
    mixed = list(waiting)
    for item in chosen:
        mixed.insert(dice.randint(0, len(mixed)), item)
    return mixed
