"""What a text says, as clauses, and the labels that follow by the rules of docs/guides/labelling.md."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from sazon.schema import TASTES

_BALANCE = 0.35  # less weight than this on either side has no winner


class Mode(Enum):
    """How a clause speaks of a quality. Only `PRESENT` sets a label."""

    PRESENT = "present"
    DENIED = "denied"
    WISHED = "wished"
    ASKED = "asked"
    FIGURATIVE = "figurative"
    INGREDIENT = "ingredient"
    ELSEWHERE = "elsewhere"
    NONE = "none"


@dataclass(frozen=True)
class Clause:
    """One thing said.

    Attributes:
        text: the words, without surface noise.
        polarity: 1 pleased, -1 displeased, 0 neither.
        weight: a conceded clause ("rico, pero …") counts less than the one that wins, an outcome ("igual vuelvo") more.
        taste: the quality spoken of, if any.
        mode: how it is spoken of.
    """

    text: str
    polarity: int
    weight: float = 1.0
    taste: str | None = None
    mode: Mode = Mode.NONE


def sentiment_of(clauses: Iterable[Clause]) -> str:
    """The sentiment of a whole text.

    >>> sentiment_of([Clause("rico", 1, 0.4), Clause("saladazo", -1)])
    'negative'
    """
    total = sum(clause.polarity * clause.weight for clause in clauses)
    if abs(total) < _BALANCE:
        return "neutral"
    return "positive" if total > 0 else "negative"


def tastes_of(clauses: Iterable[Clause]) -> tuple[str, ...]:
    """The taste labels of a whole text, in the order of the schema.

    >>> tastes_of([Clause("no pica nada", -1, taste="picante", mode=Mode.DENIED)])
    ()
    """
    said = {clause.taste for clause in clauses if clause.mode is Mode.PRESENT}
    return tuple(taste for taste in TASTES if taste in said)
