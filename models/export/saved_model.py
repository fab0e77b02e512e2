"""Reading back an exported model: predictions in bulk, and the record of its training."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sazon import schema

RECORD = Path("assets.extra") / "training.json"
_BATCH = 256


@dataclass(frozen=True)
class Predictions:
    """Answers for some texts: labels, and probabilities as (rows, 3) and (rows, 10) float32."""

    sentiment: list[str]
    sentiment_probs: np.ndarray
    tastes: list[tuple[str, ...]]
    taste_probs: np.ndarray

    @property
    def taste_matrix(self) -> np.ndarray:
        """(rows, 10) bool."""
        return np.array([[name in row for name in schema.TASTES] for row in self.tastes], bool).reshape(
            -1, len(schema.TASTES)
        )


@dataclass(frozen=True)
class TrainingRecord:
    """What training leaves beside the weights, for registration."""

    mlflow_run_id: str
    seconds: float
    parameters: int
    vocabulary: int
    thresholds: list[float]
    epochs: list[dict[str, Any]]
    temperature: float = 1.0

    def write(self, folder: Path) -> None:
        """Saves it into a SavedModel directory."""
        path = folder / RECORD
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "TrainingRecord":
        """Loads it from a SavedModel directory."""
        return cls(**json.loads((folder / RECORD).read_text(encoding="utf-8")))


class SavedTasteModel:
    """An exported model in this process. Needs tensorflow and tensorflow_text, nothing of Keras."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  registers the ops of the tokeniser

        self._tf = tf
        self._loaded = tf.saved_model.load(str(folder))
        self._serve = self._loaded.signatures["serving_default"]

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Classifies texts, sorted by length inside so that little is padded, answered in order."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        sentiment, tastes = np.empty(len(texts), object), np.empty(len(texts), object)
        sentiment_probs = np.empty((len(texts), len(schema.SENTIMENTS)), np.float32)
        taste_probs = np.empty((len(texts), len(schema.TASTES)), np.float32)
        for start in range(0, len(texts), _BATCH):
            rows = order[start : start + _BATCH]
            answer = self._serve(**{schema.INPUT_TEXT: self._tf.constant([texts[row] for row in rows])})
            sentiment[rows] = [label.decode() for label in answer[schema.OUTPUT_SENTIMENT].numpy()]
            tastes[rows] = answer[schema.OUTPUT_TASTES].numpy()
            sentiment_probs[rows] = answer[schema.OUTPUT_SENTIMENT_PROBS].numpy()
            taste_probs[rows] = answer[schema.OUTPUT_TASTE_PROBS].numpy()
        names = [tuple(filter(None, joined.decode().split(schema.TASTE_SEPARATOR))) for joined in tastes]
        return Predictions(list(sentiment), sentiment_probs, names, taste_probs)
