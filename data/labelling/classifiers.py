"""Who guesses labels: anything that answers texts with probabilities, such as the model server over HTTP."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from sazon.errors import ServingError
from sazon.schema import (
    INPUT_TEXT,
    MODEL_NAME,
    OUTPUT_SENTIMENT,
    OUTPUT_SENTIMENT_PROBS,
    OUTPUT_TASTE_PROBS,
    OUTPUT_TASTES,
    SENTIMENTS,
    TASTE_SEPARATOR,
    TASTES,
)

_BATCH: Final = 64
_TIMEOUT_S: Final = 60.0


class Answers(Protocol):
    """About some texts, in order: labels, and probabilities as (rows, 3) and (rows, 10)."""

    @property
    def sentiment(self) -> list[str]:
        """Of each text."""

    @property
    def sentiment_probs(self) -> np.ndarray:
        """(rows, 3), in the order of `schema.SENTIMENTS`."""

    @property
    def tastes(self) -> list[tuple[str, ...]]:
        """Of each text."""

    @property
    def taste_probs(self) -> np.ndarray:
        """(rows, 10), in the order of `schema.TASTES`."""


class Classifier(Protocol):
    """A model that is loaded, served, or fitted for the occasion."""

    def predict(self, texts: list[str]) -> Answers:
        """Answers for texts, in order."""


@dataclass(frozen=True)
class Jury:
    """Who is asked about unlabelled texts.

    Attributes:
        name: of the model, as people who label see it.
        model: guesses the labels.
        rival: another one; where the two differ, a label is worth more.
    """

    name: str
    model: Classifier
    rival: Classifier | None = None


@dataclass(frozen=True)
class ServedAnswers:
    """What a model server said; see `Answers`."""

    sentiment: list[str]
    sentiment_probs: np.ndarray
    tastes: list[tuple[str, ...]]
    taste_probs: np.ndarray


class ServedClassifier:
    """A model server that speaks TensorFlow Serving's REST protocol.

    Args:
        server: its address, such as `http://localhost:8501`.

    Raises:
        ServingError: it does not answer, or serves no version.
    """

    def __init__(self, server: str) -> None:
        self._place = f"{server.rstrip('/')}/v1/models/{MODEL_NAME}"
        states = _ask(self._place).get("model_version_status", [])
        ready = [int(state["version"]) for state in states if state.get("state") == "AVAILABLE"]
        if not ready:
            raise ServingError(f"{self._place}: no version is available (roll one out: sazon rollout)")
        self.version = max(ready)

    def predict(self, texts: list[str]) -> ServedAnswers:
        """Asks in batches, always the same version.

        Raises:
            ServingError: an answer lacks, or has not the form of the signature.
        """
        place = f"{self._place}/versions/{self.version}:predict"
        rows: list[dict[str, Any]] = []
        for start in range(0, len(texts), _BATCH):
            instances = [{INPUT_TEXT: text} for text in texts[start : start + _BATCH]]
            rows += _ask(place, {"instances": instances}).get("predictions", [])
        try:
            return ServedAnswers(
                [str(row[OUTPUT_SENTIMENT]) for row in rows],
                np.array([row[OUTPUT_SENTIMENT_PROBS] for row in rows], float).reshape(len(texts), len(SENTIMENTS)),
                [tuple(filter(None, row[OUTPUT_TASTES].split(TASTE_SEPARATOR))) for row in rows],
                np.array([row[OUTPUT_TASTE_PROBS] for row in rows], float).reshape(len(texts), len(TASTES)),
            )
        except (KeyError, TypeError, ValueError):
            raise ServingError(f"{place}: the answer does not have the signature of {MODEL_NAME}") from None


def _ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            answer: dict[str, Any] = json.load(response)
    except (OSError, ValueError) as error:
        raise ServingError(f"{url}: no answer from a model server ({error})") from None
    return answer
