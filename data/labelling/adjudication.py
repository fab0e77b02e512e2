"""From the votes on one text to its label."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from data.labelling.book import Annotation, Label
from sazon.schema import TASTES

MAJORITY: Final = "majority"


class State(StrEnum):
    """How far a text is."""

    WAITING = "waiting"
    TIED = "tied"
    SETTLED = "settled"


@dataclass(frozen=True)
class Outcome:
    """What came of the votes; `by` names the adjudicator, or says "majority"."""

    state: State
    votes: int
    label: Label | None = None
    by: str = ""


def decide(votes: Sequence[Annotation], wanted: int, adjudicators: Collection[str] = ()) -> Outcome:
    """The label that most gave: one sentiment, and each taste that more than half named.

    An adjudicator decides alone. A text with too few votes waits; one with as many votes for one sentiment as for
    another, or for a taste as against it, is tied and needs a further annotator.

    Args:
        votes: on one text, one an annotator.
        wanted: votes that it needs.
        adjudicators: names of those who have the last word; of several, the first by name.
    """
    for vote in sorted(votes, key=lambda vote: vote.annotator):
        if vote.annotator in adjudicators:
            return Outcome(State.SETTLED, len(votes), vote.label, vote.annotator)
    if len(votes) < max(1, wanted):
        return Outcome(State.WAITING, len(votes))
    sentiment = _most_named([vote.label.sentiment for vote in votes])
    named = Counter(taste for vote in votes for taste in vote.label.tastes)
    if sentiment is None or any(2 * named[taste] == len(votes) for taste in TASTES):
        return Outcome(State.TIED, len(votes))
    label = Label.of(sentiment, (taste for taste in TASTES if 2 * named[taste] > len(votes)))
    return Outcome(State.SETTLED, len(votes), label, MAJORITY)


def _most_named(names: list[str]) -> str | None:
    """None for a tie."""
    (first, most), *others = Counter(names).most_common()
    return None if others and others[0][1] == most else first
