"""Expansion and agreement: from an entry of the phrase files to words.

The markup of an entry, resolved in this order:

* `%D`, `%L`: a degree word, much or little;
* `{a|b|}`: one of the alternatives, drawn at random;
* `[x/y]`: singular or plural; `[a/b/c/d]`: masculine, feminine, masculine plural, feminine plural;
* `@`: o, a, os, as; `~`: nothing or s.
"""

import random
import re
from dataclasses import dataclass

_CHOICE = re.compile(r"\{([^{}]*)\}")
_BY_AGREEMENT = re.compile(r"\[([^\[\]]*)\]")
_MACROS = {
    "%D": "{demasiado|muy|recontra|bien|súper|harto|excesivamente|bastante|un poco|medio}",
    "%L": "{un poquito|medio|ligeramente|apenas|algo}",
}
_CONTRACTIONS = (
    (re.compile(r"\b([Aa]) el\b"), r"\1l"),
    (re.compile(r"\b([Dd])e el\b"), r"\1el"),
    (re.compile(r"\by (?=[ií]|hi(?!e))"), "e "),
    (re.compile(r" +"), " "),
    (re.compile(r" (?=[,.;:!?])"), ""),
    (re.compile(r"(?<!\.)\.\.(?!\.)"), "."),
    (re.compile(r"([?!])[.,](?!\.)"), r"\1"),
    (re.compile(r",(?=[.;:])"), ""),
)
_SENTENCE_START = re.compile(r"(^[¡¿—]*|[.!?] +[¡¿—]*)([a-záéíóúñ])")


@dataclass(frozen=True)
class Agreement:
    """Gender and number of a noun."""

    feminine: bool
    plural: bool

    def pick(self, forms: list[str]) -> str:
        """The form of two (number) or four (gender, then number)."""
        if len(forms) == 2:
            return forms[int(self.plural)]
        return forms[int(self.feminine) + 2 * int(self.plural)]


def expand(entry: str, rng: random.Random) -> str:
    """Draws the alternatives of an entry.

    >>> expand("{qué} rico", random.Random(0))
    'qué rico'
    """
    for macro, choices in _MACROS.items():
        entry = entry.replace(macro, choices)
    while (found := _CHOICE.search(entry)) is not None:
        entry = entry[: found.start()] + rng.choice(found.group(1).split("|")) + entry[found.end() :]
    return entry


def inflect(entry: str, agreement: Agreement) -> str:
    """Makes an expanded entry agree.

    >>> inflect("[está/están] buenaz@ y dulce~", Agreement(feminine=True, plural=True))
    'están buenazas y dulces'
    """
    agreed = _BY_AGREEMENT.sub(lambda found: agreement.pick(found.group(1).split("/")), entry)
    ending = agreement.pick(["o", "a", "os", "as"])
    return agreed.replace("@", ending).replace("~", "s" if agreement.plural else "")


def tidy(text: str) -> str:
    """Contracts articles, mends spaces and stops, and capitalises sentences.

    >>> tidy("el sabor de el caldo . rico y intenso..")
    'El sabor del caldo. Rico e intenso.'
    """
    for pattern, replacement in _CONTRACTIONS:
        text = pattern.sub(replacement, text)
    return _SENTENCE_START.sub(lambda found: found.group(1) + found.group(2).upper(), text.strip())
