"""What the model says about texts, as it answers and as the API shows it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sazon.schema import (
    OUTPUT_SENTIMENT,
    OUTPUT_SENTIMENT_PROBS,
    OUTPUT_TASTE_PROBS,
    OUTPUT_TASTES,
    SENTIMENTS,
    TASTE_SEPARATOR,
    TASTES,
)
from serving.gateway.errors import ApiError
from serving.gateway.protocol import PredictResponse

_DECIMALS: Final = 6


@dataclass(frozen=True)
class Prediction:
    """What the model says about one text."""

    text: str
    sentiment: str
    sentiment_probs: dict[str, float]
    tastes: list[str]
    taste_probs: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """The prediction as the API shows it."""
        return asdict(self)


def read_predictions(texts: Sequence[str], response: PredictResponse) -> list[Prediction]:
    """Reads the signature's outputs, each with one entry or row per text.

    Raises:
        ApiError: 500, the model answers in another signature.
    """
    outputs = response.outputs
    sentiments = [value.decode() for value in outputs[OUTPUT_SENTIMENT].string_val]
    tastes = [value.decode() for value in outputs[OUTPUT_TASTES].string_val]
    sentiment_probs = list(outputs[OUTPUT_SENTIMENT_PROBS].float_val)
    taste_probs = list(outputs[OUTPUT_TASTE_PROBS].float_val)
    sizes = (len(sentiments), len(tastes), len(sentiment_probs), len(taste_probs))
    if sizes != (len(texts), len(texts), len(texts) * len(SENTIMENTS), len(texts) * len(TASTES)):
        raise ApiError(500, "bad_model_answer", "the model's answer does not have the expected signature")
    return [
        Prediction(
            text,
            sentiments[row],
            _named(SENTIMENTS, sentiment_probs, row),
            [label for label in tastes[row].split(TASTE_SEPARATOR) if label],
            _named(TASTES, taste_probs, row),
        )
        for row, text in enumerate(texts)
    ]


def _named(labels: Sequence[str], values: Sequence[float], row: int) -> dict[str, float]:
    start = row * len(labels)
    return {label: round(values[start + place], _DECIMALS) for place, label in enumerate(labels)}
