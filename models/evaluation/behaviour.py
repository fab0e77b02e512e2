"""Behavioural tests of any classifier: cases that it passes or fails, and texts that are hard for most.

Source: Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList" (2020).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from data import CASES, HARD
from data.labelled import read_labelled
from data.reading import read_cells
from models.evaluation.baselines import Classifier
from models.evaluation.measurement import Report, evaluate
from models.export.saved_model import Predictions
from sazon.schema import SENTIMENTS

_NEGATIVE, _POSITIVE = SENTIMENTS.index("negative"), SENTIMENTS.index("positive")


@dataclass(frozen=True)
class Case:
    """A text, a second one where the kind compares two, and what is expected."""

    capability: str
    kind: str
    text: str
    other: str
    expected: str


@dataclass(frozen=True)
class Answer:
    """What a classifier says of one text; `score` is P(positive) - P(negative)."""

    sentiment: str
    score: float
    tastes: tuple[str, ...]


@dataclass(frozen=True)
class PassRate:
    """Cases of one capability, or of one kind; `rate` between 0 and 1."""

    cases: int
    passed: int
    rate: float


@dataclass(frozen=True)
class Verdicts:
    """How cases went: pass rates overall and by group, and the cases that failed with what was answered."""

    overall: PassRate
    capabilities: dict[str, PassRate]
    kinds: dict[str, PassRate]
    failures: list[dict[str, str]]


@dataclass(frozen=True)
class Behaviour:
    """The shipped cases, and the figures on the shipped hard texts with a slice for each phenomenon."""

    verdicts: Verdicts
    hard: Report

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain dicts, for JSON, without the failures."""
        cases = asdict(self.verdicts)
        del cases["failures"]
        return {"cases": cases, "hard": self.hard.as_dict()}


def _moves(case: Case, answer: Answer, other: Answer) -> bool:
    shift = other.score - answer.score
    return shift < 0 if case.expected == "less_positive" else shift > 0


KINDS: dict[str, Callable[[Case, Answer, Answer], bool]] = {
    "minimum": lambda case, answer, _: answer.sentiment == case.expected,
    "invariance": lambda _, answer, other: answer.sentiment == other.sentiment,
    "direction": _moves,
    "taste_present": lambda case, answer, _: case.expected in answer.tastes,
    "taste_absent": lambda case, answer, _: case.expected not in answer.tastes,
}
"""How each kind of case is judged. Invariance and direction go from `text` to `other`."""


def read_cases() -> list[Case]:
    """The shipped cases."""
    columns = ["capability", "kind", "text", "other", "expected"]
    return [Case(*row) for row in read_cells(CASES)[columns].itertuples(index=False)]


def read_hard_texts() -> pd.DataFrame:
    """The shipped hard texts: labelled rows with their `phenomenon`."""
    return read_labelled(HARD)


def measure_behaviour(classifier: Classifier, temperature: float | None = None) -> Behaviour:
    """Runs the shipped cases and hard texts.

    Args:
        classifier: whatever is to be measured.
        temperature: as for `evaluate`.
    """
    hard = read_hard_texts()
    figures = evaluate(hard, classifier.predict(list(hard["text"])), temperature)
    return Behaviour(run_cases(classifier, read_cases()), figures)


def run_cases(classifier: Classifier, cases: list[Case]) -> Verdicts:
    """Judges cases."""
    texts = sorted({text for case in cases for text in (case.text, case.other)})
    answers = dict(zip(texts, _answers(classifier.predict(texts)), strict=True))
    passed = [KINDS[case.kind](case, answers[case.text], answers[case.other]) for case in cases]
    return Verdicts(
        overall=_rate(passed),
        capabilities=_rates([case.capability for case in cases], passed),
        kinds=_rates([case.kind for case in cases], passed),
        failures=[
            {**asdict(case), "answer": _shown(case, answers)}
            for case, good in zip(cases, passed, strict=True)
            if not good
        ],
    )


def _answers(predictions: Predictions) -> list[Answer]:
    scores = predictions.sentiment_probs[:, _POSITIVE] - predictions.sentiment_probs[:, _NEGATIVE]
    return [
        Answer(sentiment, float(score), tastes)
        for sentiment, score, tastes in zip(predictions.sentiment, scores, predictions.tastes, strict=True)
    ]


def _rates(names: list[str], passed: list[bool]) -> dict[str, PassRate]:
    pairs = list(zip(names, passed, strict=True))
    return {name: _rate([good for other, good in pairs if other == name]) for name in sorted(set(names))}


def _rate(passed: list[bool]) -> PassRate:
    return PassRate(len(passed), sum(passed), sum(passed) / len(passed))


def _shown(case: Case, answers: dict[str, Answer]) -> str:
    """The answer as far as the kind looks at it."""
    asked = [answers[text] for text in (case.text, case.other) if text]
    if case.kind.startswith("taste"):
        return ", ".join(asked[0].tastes) or "no taste"
    if case.kind == "direction":
        return " → ".join(f"{answer.score:+.2f}" for answer in asked)
    return " → ".join(answer.sentiment for answer in asked)
