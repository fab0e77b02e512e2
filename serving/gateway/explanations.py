"""What each word of a text did for the sentiment that the model named."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sazon.schema import OUTPUT_ATTRIBUTIONS, OUTPUT_SENTIMENT_INDEX, OUTPUT_TOKENS, SENTIMENTS
from serving.gateway.alignment import align
from serving.gateway.errors import ApiError
from serving.gateway.protocol import PredictResponse

_SPECIAL: Final = ("", "[CLS]", "[SEP]")
_CONTINUATION: Final = "##"
_DECIMALS: Final = 6


@dataclass(frozen=True)
class Word:
    """One word and what it did.

    Attributes:
        word: as typed; as the model read it where it cannot be found in the text.
        start: place of its first character (code point) in the text; None where it cannot be found.
        end: place behind its last character.
        strength: from -1 to 1, against or for the named sentiment; the strongest word of the text has magnitude 1.
        attribution: its share of the sentiment's logit, by integrated gradients.
    """

    word: str
    start: int | None
    end: int | None
    strength: float
    attribution: float


@dataclass(frozen=True)
class Explanation:
    """Why a text got its sentiment; words that the model did not read, behind its longest row, are not listed."""

    text: str
    sentiment: str
    words: list[Word]

    def as_json(self) -> dict[str, Any]:
        """The explanation as the API shows it."""
        return asdict(self)


def read_explanations(texts: Sequence[str], response: PredictResponse) -> list[Explanation]:
    """Reads the outputs of the signature `explain`.

    Args:
        texts: as they were sent.
        response: `tokens` and `attributions` (batch, tokens), `sentiment_index` (batch,).

    Raises:
        ApiError: 500, the model answers in another signature.
    """
    tokens = [value.decode("utf-8", "replace") for value in response.outputs[OUTPUT_TOKENS].string_val]
    attributions = list(response.outputs[OUTPUT_ATTRIBUTIONS].float_val)
    sentiments = list(response.outputs[OUTPUT_SENTIMENT_INDEX].int_val)
    width = len(tokens) // len(texts)
    if {len(tokens), len(attributions)} != {len(texts) * width} or len(sentiments) != len(texts):
        raise ApiError(500, "bad_model_answer", "the model's answer does not have the expected signature")
    rows = [slice(row * width, (row + 1) * width) for row in range(len(texts))]
    return [
        Explanation(text, SENTIMENTS[sentiment], explain_words(text, tokens[row], attributions[row]))
        for text, sentiment, row in zip(texts, sentiments, rows, strict=True)
    ]


def explain_words(text: str, tokens: Sequence[str], attributions: Sequence[float]) -> list[Word]:
    """Joins pieces to words, adds up what they did, and finds them in the text.

    >>> explain_words("¡Rico!", ["[CLS]", "¡", "ri", "##co", "!", "[SEP]"], [0, 0, 0.5, 1.5, -1, 0])[1]
    Word(word='Rico', start=1, end=5, strength=1.0, attribution=2.0)
    """
    joined = list(_join(tokens, attributions))
    strongest = max((abs(attribution) for _, attribution in joined), default=0.0) or 1.0
    spans = align(text, [word for word, _ in joined])
    return [
        Word(
            text[span.start : span.end] if span else word,
            span.start if span else None,
            span.end if span else None,
            round(attribution / strongest, _DECIMALS),
            round(attribution, _DECIMALS),
        )
        for (word, attribution), span in zip(joined, spans, strict=True)
    ]


def _join(tokens: Sequence[str], attributions: Sequence[float]) -> Iterator[tuple[str, float]]:
    word, total = "", 0.0
    for token, attribution in zip(tokens, attributions, strict=True):
        if word and token.startswith(_CONTINUATION):
            word, total = word + token.removeprefix(_CONTINUATION), total + attribution
            continue
        if word:
            yield word, total
        word, total = ("", 0.0) if token in _SPECIAL else (token, attribution)
    if word:
        yield word, total
