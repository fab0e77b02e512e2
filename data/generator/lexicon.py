"""The phrase files as a lexicon to draw from.

`phrases/<taste>.txt`, `evaluation.txt` and `talk.txt` hold one entry a line, `<code>[/tag,tag] <entry>`:

* taste files: `+a +v +c +n` (liked: adjective phrase, predicate of the product, clause of its own, noun phrase), the
  same with `-` (disliked), `0` (plainly said) and `*` (a noun phrase that any frame may praise or blame); `x` before
  it: denied or missing; `w` a wish, `q` a question, `f+ f- f0` a figure of speech, `i` an ingredient;
* `evaluation.txt`: `+a`, `-v`, `0c` … without a taste; `m M` mild
  enough to be conceded (M a predicate of the product);
* `talk.txt`: service, endings, openings, interjections, irony, facts (listed in its first lines).

Every fifth entry of a kind is kept for the families of the test, which draw on the others only where none fits.
"""

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data.generator.semantics import Mode
from sazon.schema import TASTES

HELD_OUT_EVERY = 5

_FOLDER = Path(__file__).parent / "phrases"
_SIGNS = {"+": 1, "-": -1, "0": 0, "*": None}
_SPECIAL = {"w": Mode.WISHED, "q": Mode.ASKED, "f": Mode.FIGURATIVE, "i": Mode.INGREDIENT}


@dataclass(frozen=True)
class Phrase:
    """One entry. `polarity` None: any, as the frame says. `tags`: kinds of product it fits, empty for all."""

    entry: str
    taste: str | None
    mode: Mode
    polarity: int | None
    form: str
    tags: tuple[str, ...]
    held_out: bool


class Lexicon:
    """Phrases by what they say and how they can be used."""

    def __init__(self, phrases: tuple[Phrase, ...]) -> None:
        self.phrases = phrases
        self._index: dict[tuple[str | None, Mode, int | None, str, bool], list[Phrase]] = {}
        for phrase in phrases:
            key = (phrase.taste, phrase.mode, phrase.polarity, phrase.form, phrase.held_out)
            self._index.setdefault(key, []).append(phrase)

    def find(
        self, taste: str | None, mode: Mode, polarity: int, forms: str, tags: tuple[str, ...], *, held_out: bool
    ) -> list[Phrase]:
        """All entries that fit; for held-out families the reserved ones, or the others where none is reserved."""
        found = self._lookup(taste, mode, polarity, forms, tags, held_out)
        return found or (self._lookup(taste, mode, polarity, forms, tags, False) if held_out else [])

    def _lookup(
        self, taste: str | None, mode: Mode, polarity: int, forms: str, tags: tuple[str, ...], held_out: bool
    ) -> list[Phrase]:
        keys = [(taste, mode, sign, form, held_out) for form in forms for sign in (polarity, None)]
        return [
            phrase
            for key in keys
            for phrase in self._index.get(key, ())
            if not phrase.tags or any(tag in tags for tag in phrase.tags)
        ]


def choose(phrases: list[Phrase], used: set[str], rng: random.Random) -> Phrase:
    """One of the phrases, not used in this text before where there is a choice."""
    fresh = [phrase for phrase in phrases if phrase.entry not in used]
    chosen = rng.choice(fresh or phrases)
    used.add(chosen.entry)
    return chosen


@cache
def load_lexicon() -> Lexicon:
    """Reads the phrase files."""
    counts: dict[tuple[str | None, Mode, int | None], int] = {}
    phrases = []
    for name in (*TASTES, "evaluation", "talk"):
        taste = name if name in TASTES else None
        for line in (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                phrases.append(_parse(line, taste, counts))
    return Lexicon(tuple(phrases))


def _parse(line: str, taste: str | None, counts: dict[tuple[str | None, Mode, int | None], int]) -> Phrase:
    code, _, entry = line.partition(" ")
    code, _, tags = code.partition("/")
    mode = Mode.PRESENT if taste else Mode.NONE
    polarity: int | None = 0
    if taste and code[0] == "x":
        mode, code = Mode.DENIED, code[1:]
    if taste and code[0] in _SPECIAL:
        mode, form = _SPECIAL[code[0]], "c"
        polarity = _SIGNS[code[1]] if len(code) > 1 else 0
    elif code[0] in _SIGNS:
        polarity, form = _SIGNS[code[0]], code[1]
    else:
        form = code
    kind = (taste if taste else form, mode, polarity)
    counts[kind] = counts.get(kind, 0) + 1
    reserved = counts[kind] % HELD_OUT_EVERY == 3
    return Phrase(entry.strip(), taste, mode, polarity, form, tuple(tags.split(",")) if tags else (), reserved)
