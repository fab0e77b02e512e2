"""Labels in the reader's language; without a wish they are the schema's own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal, get_args

from werkzeug.datastructures import LanguageAccept

from serving.gateway.errors import ApiError
from serving.gateway.explanations import Explanation
from serving.gateway.predictions import Prediction

Language = Literal["es", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "es": {"negative": "negativo", "neutral": "neutral", "positive": "positivo", "acido": "ácido"},
    "en": {
        "dulce": "sweet",
        "salado": "salty",
        "picante": "spicy",
        "acido": "sour",
        "amargo": "bitter",
        "umami": "umami",
        "crocante": "crunchy",
        "cremoso": "creamy",
        "fresco": "fresh",
        "grasoso": "greasy",
    },
}
"""Words for labels; a label that is missing is a word of that language already."""


def read_language(wish: str | None, accepted: LanguageAccept) -> Language | None:
    """The language of an answer.

    Args:
        wish: of the query parameter `lang`; it counts more than the header.
        accepted: the header `Accept-Language`.

    Returns:
        None where nothing is wished: the schema's labels.

    Raises:
        ApiError: 400, the wished language is not spoken.
    """
    if wish is None:
        spoken = [value.split("-")[0].lower() for value, quality in accepted if quality > 0]
        return next((language for code in spoken for language in LANGUAGES if language == code), None)
    for language in LANGUAGES:
        if wish == language:
            return language
    raise ApiError(400, "invalid_request", f"lang: must be one of {', '.join(LANGUAGES)}")


def translate_prediction(prediction: Prediction, language: Language | None) -> Prediction:
    """The same prediction with labels in that language."""
    if language is None:
        return prediction
    words = WORDS[language]
    return Prediction(
        prediction.text,
        words.get(prediction.sentiment, prediction.sentiment),
        {words.get(label, label): value for label, value in prediction.sentiment_probs.items()},
        [words.get(label, label) for label in prediction.tastes],
        {words.get(label, label): value for label, value in prediction.taste_probs.items()},
    )


def translate_explanation(explanation: Explanation, language: Language | None) -> Explanation:
    """The same explanation with its label in that language."""
    if language is None:
        return explanation
    return replace(explanation, sentiment=WORDS[language].get(explanation.sentiment, explanation.sentiment))
