"""Surface noise: how the same words look when typed on a telephone, in a hurry, with feeling."""

import random
import re
from collections.abc import Callable

_LEVEL = {"app": 1.0, "encuesta": 0.25, "redes": 1.5, "tienda": 0.6, "delivery": 1.1}
_ACCENTS = str.maketrans("áéíóúÁÉÍÓÚ", "aeiouAEIOU")
_SHORT_FORMS = {
    "que": ("q", "k"), "qué": ("q", "ke"), "porque": ("xq", "pq", "porq"), "por": ("x",), "también": ("tmb", "tb"),
    "para": ("pa", "pa'"), "mucho": ("muxo",), "está": ("ta", "esta"), "estaba": ("taba",), "nada": ("na",),
    "bien": ("bn",), "además": ("ademas",), "más": ("mas", "+"),
}  # fmt: skip
_SPELLINGS = (
    ("qu", "k"),
    ("c", "k"),
    ("v", "b"),
    ("b", "v"),
    ("z", "s"),
    ("ll", "y"),
    ("h", ""),
    ("ce", "se"),
    ("j", "g"),
)
_EMOJI = {
    1: ("😋", "😍", "🤤", "👌", "🔥", "❤️", "👏", "🙌", "💯", "😊", "🥰", "👍", "🇵🇪"),
    -1: ("😡", "🤢", "👎", "😤", "🙄", "😒", "🤮", "😠", "💔", "😞", "🤦"),
    0: ("🤔", "😐", "🤷", "🙏", "👀", "😅"),
}
_ANY_EMOJI = ("😂", "😅", "🍽️", "✨", "🤣")
_WORD = re.compile(r"[A-Za-záéíóúñÁÉÍÓÚÑüÜ]+")
_STRETCHED = re.compile(
    r"(?i)^(ri[cq]|buen|mal|fe[oa]|sala|dulc|pica|cremo|croc|graso|asu|horrib|delici|peor|car[oa]|bacán|fres|aci)"
)
_KEPT = {"no", "ni", "sin", "ya", "sí", "si", "cero", "nada", "falta", "pero"}


def add_surface_noise(text: str, polarity: int, channel: str, rng: random.Random) -> str:
    """Types a clean text as people of the channel do. Never adds, drops or alters a negation.

    Args:
        text: clean text.
        polarity: of the whole, for the emoji.
        channel: formal channels get little noise.
        rng: source of chance.
    """
    level = _LEVEL[channel]
    if rng.random() < 0.3 * level:
        text = _map_words(text, lambda word: _abbreviate(word, rng))
    if rng.random() < 0.3 * level:
        text = _map_words(text, lambda word: _misspell(word, rng, 0.05 * level))
    if rng.random() < 0.14 * level:
        text = _stretch(text, rng)
    draw = rng.random()
    if draw < 0.34 * level:
        text = text.translate(_ACCENTS)
    elif draw < 0.44 * level:
        text = _map_words(text, lambda word: word.translate(_ACCENTS) if rng.random() < 0.5 else word)
    return _dress(text, polarity, level, rng)


def _dress(text: str, polarity: int, level: float, rng: random.Random) -> str:
    """Case, stops and emoji."""
    draw = rng.random()
    if draw < 0.3 * level:
        text = text.lower()
    elif draw < 0.34 * level:
        text = text.upper()
    if rng.random() < 0.5 * level:
        text = text.replace("¡", "").replace("¿", "")
    if rng.random() < 0.5 * level:
        text = text.rstrip(".")
    if rng.random() < 0.07 * level:
        text = text.replace(",", "").replace(".", "")
    if polarity and rng.random() < 0.1 * level:
        text = text.rstrip(".") + "!" * rng.randint(1, 4)
    if rng.random() < 0.18 * level:
        pool = _EMOJI[polarity] if rng.random() < 0.8 else _ANY_EMOJI
        text = f"{text} {rng.choice(pool) * rng.choice((1, 1, 1, 2, 3))}"
    return text


def _map_words(text: str, change: Callable[[str], str]) -> str:
    return _WORD.sub(lambda found: change(found.group()), text)


def _abbreviate(word: str, rng: random.Random) -> str:
    short = _SHORT_FORMS.get(word.lower())
    return rng.choice(short) if short and rng.random() < 0.4 else word


def _misspell(word: str, rng: random.Random, rate: float) -> str:
    if len(word) < 4 or word.lower() in _KEPT or rng.random() > rate * 2:
        return word
    if rng.random() < 0.5:
        fitting = [pair for pair in _SPELLINGS if pair[0] in word and (pair[0] != "c" or _hard_c(word))]
        if fitting:
            return word.replace(*rng.choice(fitting), 1)
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


def _hard_c(word: str) -> bool:
    at = word.find("c")
    return at + 1 < len(word) and word[at + 1] in "aouáóúrl"


def _stretch(text: str, rng: random.Random) -> str:
    """Holds the last vowel of one word of feeling, or the one before, where the stress is."""
    words = [found for found in _WORD.finditer(text) if _STRETCHED.match(found.group())]
    if not words:
        return text
    found = rng.choice(words)
    vowels = [at for at in range(found.start(), found.end()) if text[at] in "aeiouáéíóú"]
    at = rng.choice(vowels[-2:])
    return text[:at] + text[at] * rng.randint(3, 6) + text[at + 1 :]
