"""Replacement of what was found by typed placeholders."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from data.personal.addresses import find_addresses
from data.personal.contacts import find_contacts
from data.personal.cues import CUE_WORDS
from data.personal.kinds import PLACEHOLDER, Span
from data.personal.names import spellings
from data.personal.numbers import find_numbers
from data.personal.people import find_people

_WORD = re.compile(r"[^\W\d_]+")
_SIGN = re.compile(r"@|\((?:at|AT)\)|\.(?:com|me|am)/|\d(?:[ .()-]{0,2}\d){5}")
_SIGN_WORDS = (
    "arroba mz mza manzana placa placas vivo vivimos dirección direccion ig insta instagram tik tiktok twitter telegram"
    " face facebook fb pasaporte av avda avenida jr jirón jiron calle ca psje psj pje pasaje prol prolongación"
    " prolongacion alameda malecón malecon carretera"
)


@dataclass(frozen=True)
class Redacted:
    """A text without personal data.

    Attributes:
        text: the text with placeholders such as `[DNI]`.
        counts: how often each kind was replaced; kinds that were not are absent.
    """

    text: str
    counts: dict[str, int]


def redact(text: str) -> Redacted:
    """Replaces personal data by typed placeholders; never raises, and redacting twice changes nothing.

    >>> redact("mi dni es 12345678, llámenme al 999 000 111")
    Redacted(text='mi dni es [DNI], llámenme al [TELEFONO]', counts={'DNI': 1, 'TELEFONO': 1})
    """
    spans = locate(text)
    return Redacted(_replace(text, spans), dict(Counter(span.kind.value for span in spans)))


def redact_all(texts: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Redacts many texts; the counts are sums over all."""
    located = [locate(text) for text in texts]
    counts = Counter(span.kind.value for spans in located for span in spans)
    return [_replace(text, spans) for text, spans in zip(texts, located, strict=True)], dict(counts)


def locate(text: str) -> list[Span]:
    """Finds personal data in a text; sorted, none touches another or a placeholder."""
    located: list[Span] = []
    # A placeholder can be the cue for what stands beside it, so until nothing more is found.
    while spans := _find_once(_replace(text, located)):
        located = sorted([*located, *_in_original(spans, located)])
    return located


def _in_original(spans: list[Span], replaced: list[Span]) -> Iterator[Span]:
    """Moves spans of a text in which `replaced` are placeholders to where they are in the original."""
    shift, place = 0, 0
    for span in spans:
        while place < len(replaced) and replaced[place].start - shift < span.start:
            start, end, kind = replaced[place]
            shift += end - start - len(kind.placeholder)
            place += 1
        yield Span(span.start + shift, span.end + shift, span.kind)


def _find_once(text: str) -> list[Span]:
    words = _WORD.findall(text)
    spans: list[Span] = []
    if _SIGN.search(text) or not _sign_words().isdisjoint(words):
        for finder in (find_contacts, find_addresses, find_numbers):
            spans += finder(text)
    if not _person_words().isdisjoint(words):
        spans += find_people(text)
    return _without_overlaps(text, spans) if spans else []


@cache
def _sign_words() -> frozenset[str]:
    return _in_usual_cases(_SIGN_WORDS.split())


@cache
def _person_words() -> frozenset[str]:
    return spellings() | _in_usual_cases(CUE_WORDS)


def _in_usual_cases(words: Iterable[str]) -> frozenset[str]:
    return frozenset(form for word in words for form in (word, word.capitalize(), word.upper()))


def _without_overlaps(text: str, spans: list[Span]) -> list[Span]:
    """Keeps the earlier found of two that overlap, and none that touches a placeholder."""
    free = bytearray(b"\1") * len(text)
    for match in PLACEHOLDER.finditer(text):
        free[match.start() : match.end()] = bytes(match.end() - match.start())
    kept = []
    for span in spans:
        if all(free[span.start : span.end]):
            free[span.start : span.end] = bytes(span.end - span.start)
            kept.append(span)
    return sorted(kept)


def _replace(text: str, spans: list[Span]) -> str:
    if not spans:
        return text
    parts, end = [], 0
    for span in spans:
        parts += [text[end : span.start], span.kind.placeholder]
        end = span.end
    return "".join([*parts, text[end:]])
