"""Names of people, by the words themselves, their capitals and what stands before them.

A first name that is hardly anything else counts alone. A word that may be a name needs a cue ("la señorita …",
"soy …", "me atendió …") or another name beside it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from data.personal.cues import (
    ANY_CASE,
    BLOCKERS,
    BLOCKERS_WITH_CAPITAL,
    NEVER,
    NEVER_LOWER,
    PARTICLES,
    PLACES,
    REACHES,
    USUAL_LATER,
    Cue,
    cue_after,
    cue_before,
)
from data.personal.kinds import Kind, Span
from data.personal.names import Names, fold, load_names

_WORD = re.compile(r"(?<![\w@#'’])[^\W\d_]+(?:['’][^\W\d_]+)?(?![\w@])")
_MAX_WORDS = 6


class Word(NamedTuple):
    """A word, where it stands, how it is written, and the characters between it and the word before."""

    start: int
    end: int
    folded: str
    capital: bool
    acronym: bool
    gap: str


def find_people(text: str) -> Iterator[Span]:
    """Yields the spans of names from left to right, none over another; titles such as "Sra." stay outside."""
    names, words = load_names(), _split(text)
    barred = _barred(words, names)
    place = 0
    while place < len(words):
        end = place if place in barred else _end_of_name(words, place, names)
        if end > place:
            yield Span(words[place].start, _with_dot(text, words[end - 1]), Kind.PERSON)
        place = max(end, place + 1)


def _split(text: str) -> list[Word]:
    capitals = sum(map(str.isupper, text))
    shouted = capitals > 12 and capitals * 2 > sum(map(str.isalpha, text))
    words, end = [], 0
    for match in _WORD.finditer(text):
        word = match[0]
        capital = word[0].isupper() and not shouted
        words.append(Word(match.start(), match.end(), fold(word), capital, word.isupper(), text[end : match.start()]))
        end = match.end()
    return words


def _barred(words: list[Word], names: Names) -> set[int]:
    """Places of words that belong to a brand, a dish, a place or a saint."""
    barred: set[int] = set()
    for place, word in enumerate(words):
        for phrase in names.not_people.get(word.folded, ()):
            if tuple(other.folded for other in words[place : place + len(phrase)]) == phrase:
                barred.update(range(place, place + len(phrase)))
        if word.folded in BLOCKERS or (word.capital and word.folded in BLOCKERS_WITH_CAPITAL):
            barred.update(_called_after(words, place))
    return barred


def _called_after(words: list[Word], place: int) -> Iterator[int]:
    """Places of the words behind a word such as "mercado" that go on its name."""
    for following in range(place + 1, min(place + 1 + _MAX_WORDS, len(words))):
        word = words[following]
        goes_on = word.capital or word.folded in PARTICLES or following == place + 1
        if not (goes_on and _joins(word)):
            return
        yield following


def _joins(word: Word) -> bool:
    return word.gap in (" ", ". ", "  ")


def _is_ordinary(word: Word) -> bool:
    return word.folded in NEVER or (not word.capital and word.folded in NEVER_LOWER)


def _end_of_name(words: list[Word], place: int, names: Names) -> int:
    """Place after the last word of the name that begins here; `place` itself where none does."""
    word = words[place]
    if _is_ordinary(word) or not (word.capital or names.is_any(word.folded)):
        return place
    cue = cue_before(words, place) or cue_after(words, place)
    if not (_starts(word, cue, names) or _starts_pair(words, place, names)):
        return place
    return _extend(words, place, names)


def _starts(word: Word, cue: Cue | None, names: Names) -> bool:
    if names.is_first(word.folded):
        return True
    if cue is None:
        return False
    if cue not in REACHES and (word.folded in PLACES or word.folded not in names.first):
        return False
    if names.is_any(word.folded):
        return word.capital or cue in ANY_CASE
    return cue in REACHES and word.capital and not word.acronym and len(word.folded) > 1


def _starts_pair(words: list[Word], place: int, names: Names) -> bool:
    """A name that may be a word, or an initial, with a surname behind it."""
    if place + 1 == len(words):
        return False
    word, following = words[place], words[place + 1]
    if not _joins(following) or _is_ordinary(following):
        return False
    if len(word.folded) == 1:
        return word.capital and following.capital and names.is_last(following.folded)
    if word.folded not in names.first or following.gap != " ":
        return False
    both = word.capital and following.capital and names.is_any(following.folded)
    return both or (names.is_last(following.folded) and word.capital == following.capital)


def _extend(words: list[Word], place: int, names: Names) -> int:
    end = place + 1
    unknown = 0
    while end < len(words) and end - place < _MAX_WORDS and words[end].gap in (" ", "  "):
        word = words[end]
        if _is_ordinary(word) and word.folded not in PARTICLES:
            break
        if word.folded in PARTICLES:
            after = _after_particles(words, end)
            if not (
                after < len(words) and words[after].folded not in PLACES and _goes_on(words[after], words[place], names)
            ):
                break
            end = after + 1
        elif _goes_on(word, words[place], names):
            end += 1
        elif word.capital and words[place].capital and not (unknown or word.acronym) and len(word.folded) > 2:
            unknown += 1
            end += 1
        elif word.capital and words[place].capital and len(word.folded) == 1:
            end += 1
        else:
            break
    return end


def _goes_on(word: Word, first: Word, names: Names) -> bool:
    if first.capital:
        return word.capital and names.is_any(word.folded)
    return names.is_first(word.folded) or names.is_last(word.folded) or word.folded in USUAL_LATER


def _after_particles(words: list[Word], place: int) -> int:
    while place < len(words) and words[place].folded in PARTICLES and words[place].gap == " ":
        place += 1
    return place


def _with_dot(text: str, word: Word) -> int:
    """The end of a word; the dot of an initial belongs to it."""
    return word.end + (word.end - word.start == 1 and text[word.end : word.end + 1] == ".")
