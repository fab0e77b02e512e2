"""Grammar families: ways of building a text, read from `phrases/families.txt`.

A family is a sentence plan with one or more skeletons. Families, and so skeletons, belong to one split each.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "phrases" / "families.txt"
_SLOT = re.compile(r"<([a-z]+)(?::([sopn0]))?(?:\*([\d.]+))?>")
_SIGNS = {"+": 1, "-": -1, "0": 0}
CONTENT_FORMS = ("v", "c", "a", "n", "x")


@dataclass(frozen=True)
class Slot:
    """A place for a clause: its form, its polarity relative to the whole, its weight in the whole."""

    form: str
    relative: str
    weight: float

    def polarity(self, overall: int) -> int:
        """The polarity of the clause here, when the whole is `overall`."""
        return {"s": overall, "o": -overall, "p": 1, "n": -1, "0": 0}[self.relative]


@dataclass(frozen=True)
class Skeleton:
    """One template: literal words and slots in turn, beginning and ending with words."""

    family: str
    split: str
    register: str
    outcomes: tuple[int, ...]
    template: str
    words: tuple[str, ...]
    slots: tuple[Slot, ...]


@cache
def load_skeletons() -> tuple[Skeleton, ...]:
    """Reads the skeletons, in file order."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return tuple(_parse(line) for line in lines if line.strip() and not line.startswith("#"))


def _parse(line: str) -> Skeleton:
    split, family, register, outcomes, template = (part.strip() for part in line.split(" | ", 4))
    slots = tuple(
        Slot(found.group(1), found.group(2) or "0", float(found.group(3) or 1.0)) for found in _SLOT.finditer(template)
    )
    words = tuple(re.sub(r"<[^<>]*>", "\0", template).split("\0"))
    return Skeleton(family, split, register, tuple(_SIGNS[sign] for sign in outcomes), template, words, slots)
