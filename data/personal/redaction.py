"""Replacement of what was found by typed placeholders."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data.personal.contacts import find_contacts
from data.personal.kinds import PLACEHOLDER, Span
from data.personal.numbers import find_numbers

_WORTH_A_LOOK = re.compile(r"@|arroba|\.(?:com|me)/|\d(?:[ .()-]{0,2}\d){5}", re.IGNORECASE)


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
    counts: Counter[str] = Counter()
    while spans := _find(text):
        counts.update(span.kind.value for span in spans)
        text = _replace(text, spans)
    return Redacted(text, dict(counts))


def redact_all(texts: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Redacts many texts; the counts are sums over all."""
    counts: Counter[str] = Counter()
    redacted = []
    for text in texts:
        done = redact(text)
        counts.update(done.counts)
        redacted.append(done.text)
    return redacted, dict(counts)


def _find(text: str) -> list[Span]:
    if not _WORTH_A_LOOK.search(text):
        return []
    return list(_without_overlaps(text, [*find_contacts(text), *find_numbers(text)]))


def _without_overlaps(text: str, spans: list[Span]) -> Iterator[Span]:
    taken = [match.span() for match in PLACEHOLDER.finditer(text)]
    kept: list[tuple[int, int]] = list(taken)
    for span in spans:
        if all(span.end <= start or span.start >= end for start, end in kept):
            kept.append((span.start, span.end))
            yield span


def _replace(text: str, spans: list[Span]) -> str:
    parts, end = [], 0
    for span in sorted(spans):
        parts += [text[end : span.start], span.kind.placeholder]
        end = span.end
    return "".join([*parts, text[end:]])
