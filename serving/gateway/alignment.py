"""Where the words that the model read stand in the text that was typed.

The tokeniser drops what cannot be seen, lower-cases, folds accents and cuts at spaces and punctuation; each model does
so in its own way. Both sides are therefore compared in the barest form: lower case, without any mark.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

UNKNOWN: Final = "[UNK]"
"""The model's word for any word that it has no pieces for."""

_VISIBLE_CONTROLS: Final = "\t\n\r"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


class Span(NamedTuple):
    """A part of a text, in characters (code points): `text[start:end]`."""

    start: int
    end: int


class _Letter(NamedTuple):
    """A bare character, the part of the text that it comes from, and whether a word starts with it."""

    bare: str
    start: int
    end: int
    starts_word: bool


def align(text: str, words: Sequence[str]) -> list[Span | None]:
    """Finds each word in the text, in order.

    >>> align("¡Qué RICO!", ["¡", "que", "rico", "!"])
    [Span(start=0, end=1), Span(start=1, end=4), Span(start=5, end=9), Span(start=9, end=10)]

    Args:
        text: as typed.
        words: as the tokeniser gives them, pieces joined; they may end before the text does.

    Returns:
        One span per word; None where the word is not found behind the one before it.
    """
    letters = _letters(text)
    stream = "".join(letter.bare for letter in letters)
    spans: list[Span | None] = []
    at = 0
    for word in words:
        start, end = _unknown(letters, at) if word == UNKNOWN else _known(stream, word, at)
        if start == end:
            spans.append(None)
            continue
        spans.append(Span(letters[start].start, letters[end - 1].end))
        at = end
    return spans


def _known(stream: str, word: str, at: int) -> tuple[int, int]:
    bare = "".join(map(_bare, word))
    start = stream.find(bare, at)
    return (start, start + len(bare)) if start >= 0 else (at, at)


def _unknown(letters: Sequence[_Letter], at: int) -> tuple[int, int]:
    end = min(at + 1, len(letters))
    while end < len(letters) and not letters[end].starts_word:
        end += 1
    return at, end


def _letters(text: str) -> list[_Letter]:
    """What can be seen of a text; marks and joiners belong to the character before them."""
    letters: list[_Letter] = []
    starts_word, in_word = True, False
    for place, char in enumerate(text):
        bare = _bare(char)
        if not bare:
            if in_word:
                letters[-1] = letters[-1]._replace(end=place + 1)
        elif char.isspace():
            starts_word, in_word = True, False
        else:
            alone = _stands_alone(char)
            letters.append(_Letter(bare[0], place, place + 1, starts_word or alone))
            letters.extend(_Letter(part, place, place + 1, False) for part in bare[1:])
            starts_word, in_word = alone, True
    return letters


def _bare(char: str) -> str:
    """Lower case without marks; empty for what the tokeniser drops."""
    if char in _VISIBLE_CONTROLS:
        return char
    if char == _REPLACEMENT or unicodedata.category(char) in ("Cc", "Cf", "Co"):
        return ""
    apart = unicodedata.normalize("NFD", unicodedata.normalize("NFD", char).lower())
    return "".join(part for part in apart if unicodedata.category(part) != "Mn")


def _stands_alone(char: str) -> bool:
    """What BERT makes a word of its own: punctuation, symbols of ASCII, ideographs."""
    if char.isascii():
        return char.isprintable() and not char.isalnum()
    return unicodedata.category(char).startswith("P") or unicodedata.name(char, "").startswith("CJK ")
