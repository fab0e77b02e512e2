"""The words that are, or may be, names of people, read from `lists/`."""

import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("lists")


@dataclass(frozen=True)
class Names:
    """Folded words (lower case, no accents but ñ).

    Attributes:
        first, last: first names and surnames, ambiguous ones included.
        ambiguous: those of both that are often an ordinary word.
        not_people: phrases that only sound like a person, by their first word.
    """

    first: frozenset[str]
    last: frozenset[str]
    ambiguous: frozenset[str]
    not_people: dict[str, list[tuple[str, ...]]]

    def is_first(self, word: str) -> bool:
        """Whether the word is a first name and hardly anything else."""
        return word in self.first and word not in self.ambiguous

    def is_last(self, word: str) -> bool:
        """Whether the word is a surname and hardly anything else."""
        return word in self.last and word not in self.ambiguous

    def is_any(self, word: str) -> bool:
        """Whether the word may be a name at all."""
        return word in self.first or word in self.last


@cache
def load_names() -> Names:
    """Reads the lists, once."""
    first, last = _read("first_names"), _read("surnames")
    unsure_first, unsure_last = _read("ambiguous_first_names"), _read("ambiguous_surnames")
    phrases: dict[str, list[tuple[str, ...]]] = {}
    for line in _lines("not_people"):
        words = tuple(fold(word) for word in line.split())
        phrases.setdefault(words[0], []).append(words)
    # A word that is a sure first name may be an unsure surname ("Franco"): sure wins.
    ambiguous = unsure_first | (unsure_last - (first - unsure_first))
    return Names(first | unsure_first, last | unsure_last, ambiguous, phrases)


def spellings() -> frozenset[str]:
    """Names as they are written: with and without accents, and in the cases that make them worth a look."""
    sure, unsure = set[str](), set[str]()
    for name in ("first_names", "surnames"):
        sure |= {word for line in _lines(name) for word in line.split()}
    for name in ("ambiguous_first_names", "ambiguous_surnames"):
        unsure |= {word for line in _lines(name) for word in line.split()}
    sure, unsure = ({form for word in words for form in (word, fold(word))} for words in (sure, unsure))
    return frozenset({form for word in sure | unsure for form in (word.capitalize(), word.upper())} | (sure - unsure))


def fold(word: str) -> str:
    """Lower case without accents; ñ stays.

    >>> fold("Íñigo")
    'iñigo'
    """
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFD", word.lower().replace("ñ", "\0"))
    return "".join(char for char in decomposed if not unicodedata.combining(char)).replace("\0", "ñ")


def _read(name: str) -> frozenset[str]:
    return frozenset(fold(word) for line in _lines(name) for word in line.split())


def _lines(name: str) -> list[str]:
    lines = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
