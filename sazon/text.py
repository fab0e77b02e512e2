"""Plain-Python text work that needs no machine-learning library."""

import re
import unicodedata

_SPACES = re.compile(r"\s+")
_PUNCTUATION = re.compile(r"[^\w\s]")


def normalise_for_grouping(text: str) -> str:
    """Brings texts that people would call the same to the same string; used for duplicates and for the split.

    >>> normalise_for_grouping("  ¡Riquísimo   CEVICHE!! ")
    'riquisimo ceviche'
    >>> normalise_for_grouping("año") == normalise_for_grouping("ano")
    False
    """
    protected = text.casefold().replace("ñ", "\0")
    decomposed = unicodedata.normalize("NFD", protected)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char)).replace("\0", "ñ")
    words = _SPACES.sub(" ", _PUNCTUATION.sub(" ", bare)).strip()
    return words or text.strip()
