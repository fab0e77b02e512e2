"""What a writer means to say, drawn before any word of it is chosen."""

import random
from dataclasses import dataclass, field
from datetime import datetime

from data.generator.places import CHANNEL_WEIGHTS, POPULATION
from data.generator.products import Product, load_products
from data.generator.semantics import Mode
from data.generator.shifts import Shift, active_shifts
from data.generator.timeline import season_of

_SENTIMENT_WEIGHTS = {1: 0.46, -1: 0.34, 0: 0.2}
_HOME_BOOST = 5.0
_MOST_MENTIONS = 3

_FOCUS = {("chifles", "Piura"): 3.0, ("juane", "Loreto"): 3.0}
"""More rows, in the whole window, where a shift is planted in a small cell."""

_LIKED = {
    "dulce": 0.55, "salado": 0.32, "picante": 0.62, "acido": 0.52, "amargo": 0.36, "umami": 0.82, "crocante": 0.86,
    "cremoso": 0.88, "fresco": 0.94, "grasoso": 0.16,
}  # fmt: skip
"""Chance that a quality is said with pleasure by somebody of no leaning."""

_TALKATIVE = {"amargo": 2.2, "picante": 1.6, "umami": 1.3, "dulce": 1.1}
_TALKATIVE_ELSE = 1.3

_LEANING = 7.0  # odds of pleasure are multiplied by it for a pleased writer, divided for a displeased one
_DENIED_SHARE = 0.34  # of the chance of saying that the quality is there
_NEUTRAL_SHARE = 0.75  # of a neutral writer's mentions are plain


@dataclass(frozen=True)
class Mention:
    """A quality that the text shall speak of."""

    taste: str
    mode: Mode
    polarity: int


@dataclass(frozen=True)
class Intent:
    """All that is decided before the words: who speaks of what, when, where, how pleased, and of which qualities."""

    product: Product
    region: str
    channel: str
    at: datetime
    polarity: int
    mentions: tuple[Mention, ...] = field(default_factory=tuple)


def draw_intent(rng: random.Random, at: datetime) -> Intent:
    """Draws an intent for a moment."""
    region = rng.choices(tuple(POPULATION), weights=tuple(POPULATION.values()))[0]
    product = _draw_product(rng, region, at.month)
    channel = rng.choices(tuple(CHANNEL_WEIGHTS), weights=tuple(CHANNEL_WEIGHTS.values()))[0]
    shifts = active_shifts(product.name, region, at)
    polarity = _draw_polarity(rng, shifts)
    return Intent(product, region, channel, at, polarity, _draw_mentions(rng, product, polarity, shifts))


def _draw_product(rng: random.Random, region: str, month: int) -> Product:
    products = tuple(load_products().values())
    weights = [
        product.popularity
        * season_of(product.name, month)
        * _FOCUS.get((product.name, region), 1.0)
        * (_HOME_BOOST if region in product.home and region != "Lima" else 1.0)
        for product in products
    ]
    return rng.choices(products, weights=weights)[0]


def _draw_polarity(rng: random.Random, shifts: list[Shift]) -> int:
    weights = dict(_SENTIMENT_WEIGHTS)
    for shift in shifts:
        if shift.effect != "taste":
            sign = 1 if shift.effect == "positive" else -1
            raised = min(0.9, weights[sign] * shift.factor)
            rest = (1 - raised) / (1 - weights[sign])
            weights = {key: raised if key == sign else weight * rest for key, weight in weights.items()}
    return rng.choices(tuple(weights), weights=tuple(weights.values()))[0]


def _draw_mentions(rng: random.Random, product: Product, polarity: int, shifts: list[Shift]) -> tuple[Mention, ...]:
    shifted = {shift.taste: shift for shift in shifts if shift.effect == "taste"}
    rates = dict(product.rates)
    for taste in shifted:
        if taste is not None:
            rates.setdefault(taste, 0.04)
    urgent: list[Mention] = []
    others: list[Mention] = []
    for taste, base in rates.items():
        shift = shifted.get(taste)
        present = min(0.92, base * _TALKATIVE.get(taste, _TALKATIVE_ELSE) * (shift.factor if shift else 1.0))
        denied = base * _DENIED_SHARE + (shift.denied if shift else 0.0)
        target = urgent if shift else others
        if rng.random() < present:
            target.append(Mention(taste, Mode.PRESENT, _draw_valence(rng, _LIKED[taste], polarity)))
        elif rng.random() < denied:
            target.append(Mention(taste, Mode.DENIED, _draw_valence(rng, 1 - _LIKED[taste], polarity)))
    rng.shuffle(others)
    return tuple((urgent + others)[:_MOST_MENTIONS])


def _draw_valence(rng: random.Random, liked: float, polarity: int) -> int:
    if polarity == 0 and rng.random() < _NEUTRAL_SHARE:
        return 0
    odds = liked / (1 - liked) * _LEANING**polarity
    return 1 if rng.random() < odds / (1 + odds) else -1
