"""When people write: 18 months of seasons, weekdays and hours, in Peruvian time, given as UTC."""

import random
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final

WINDOW_START: Final = date(2024, 7, 1)
WINDOW_END: Final = date(2025, 12, 31)
TEST_FROM: Final = date(2025, 11, 1)
"""Train and eval end the day before; the test is what comes after."""

_PERU = timedelta(hours=5)  # UTC-5 the whole year
_WEEKDAY = (0.85, 0.82, 0.88, 0.95, 1.15, 1.3, 1.25)
_HOUR = (0, 0, 0, 0, 0, 0, 1, 3, 4, 3, 3, 5, 9, 13, 12, 8, 5, 4, 5, 8, 11, 10, 6, 3)
_SUMMER = (1.6, 1.7, 1.5, 1.15, 0.9, 0.7, 0.65, 0.7, 0.8, 0.95, 1.1, 1.3)
_WINTER = (0.6, 0.6, 0.7, 0.9, 1.1, 1.5, 1.6, 1.5, 1.2, 1.0, 0.9, 0.7)
_OCTOBER = (0.5, 0.5, 0.6, 0.6, 0.6, 0.7, 0.8, 0.9, 1.5, 4.0, 1.6, 0.8)
_JUNE = (0.9, 0.9, 0.9, 0.9, 1.1, 2.2, 1.2, 0.9, 0.9, 0.9, 0.9, 1.0)
_JULY = (1.0, 1.0, 0.95, 0.95, 1.0, 1.05, 1.3, 1.05, 0.95, 1.0, 0.95, 1.2)
_SEASONS = {
    "raspadilla": _SUMMER, "helado de lúcuma": _SUMMER, "queso helado": _SUMMER, "helado de aguaje": _SUMMER,
    "ceviche": _SUMMER, "tiradito": _SUMMER, "gaseosa": _SUMMER, "chicha morada": _SUMMER, "maracuyá": _SUMMER,
    "emoliente": _WINTER, "chupe de camarones": _WINTER, "adobo": _WINTER, "café": _WINTER,
    "turrón": _OCTOBER, "mazamorra morada": _OCTOBER, "juane": _JUNE,
}  # fmt: skip


def season_of(product: str, month: int) -> float:
    """How much more or less a product is bought in a month (1–12); about 1 over the year."""
    return _SEASONS.get(product, _JULY)[month - 1]


def draw_day(rng: random.Random, first: date, last: date) -> date:
    """A day by weekday and by the general season."""
    days, weights = _days(first, last)
    return rng.choices(days, cum_weights=weights)[0]


def draw_moment(rng: random.Random, first: date, last: date) -> datetime:
    """A moment in UTC between two days, both included."""
    while True:
        day = draw_day(rng, first, last)
        hour = rng.choices(range(24), weights=_HOUR)[0]
        local = datetime(day.year, day.month, day.day, hour, rng.randrange(60), rng.randrange(60), tzinfo=UTC)
        moment = local + _PERU
        if moment.date() <= last:
            return moment


@cache
def _days(first: date, last: date) -> tuple[list[date], list[float]]:
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    cumulative, total = [], 0.0
    for day in days:
        total += _WEEKDAY[day.weekday()] * _JULY[day.month - 1]
        cumulative.append(total)
    return days, cumulative
