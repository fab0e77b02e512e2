"""What comes back from people who label: good answers, and what is wrong with the others."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from data.labelling.book import Annotation, Label
from sazon.schema import SENTIMENTS, TASTES

_SHOWN_CHARS: Final = 60


@dataclass
class Delivery:
    """One file.

    Attributes:
        source: its name, which problems begin with.
        tasks: that may be answered.
        annotations: good answers, in the order of the file.
        problems: what is wrong, one line a row.
        blank: rows that nobody has answered yet, or that were skipped.
    """

    source: str
    tasks: Collection[str]
    annotations: list[Annotation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    blank: int = 0

    def take(self, place: str, task: str, annotator: str, sentiment: str, tastes: Collection[str]) -> None:
        """Adds an answer if it is good, else says why not.

        Args:
            place: where in the file, as "row 3".
            task: as it was exported.
            annotator: who answered.
            sentiment: one, in the words of the contract.
            tastes: any of the ten.
        """
        wrong = self._find_fault(task, annotator, sentiment, tastes)
        if wrong:
            self.problems.append(f"{self.source}, {place}, {wrong}")
        else:
            self.annotations.append(Annotation(task, annotator, Label.of(sentiment, tastes)))

    def _find_fault(self, task: str, annotator: str, sentiment: str, tastes: Collection[str]) -> str:
        if task not in self.tasks:
            return f'task: "{_show(task)}" was never exported from here'
        if not annotator:
            return "annotator: is empty (fill it in, or: --annotator NAME)"
        if not annotator.isprintable():
            return f'annotator: "{_show(annotator)}" has characters that cannot be shown'
        if sentiment not in SENTIMENTS:
            return f'sentiment: "{_show(sentiment)}" is not a sentiment (want {", ".join(SENTIMENTS)})'
        if unknown := sorted(set(tastes) - set(TASTES)):
            return f'tastes: "{_show(unknown[0])}" is not a taste (want, joined by |: {", ".join(TASTES)})'
        return ""


def _show(value: str) -> str:
    """In one line, whatever it holds."""
    shown = "".join(char if char.isprintable() else "?" for char in value)
    return shown if len(shown) <= _SHOWN_CHARS else shown[: _SHOWN_CHARS - 1] + "…"
