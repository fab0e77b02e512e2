"""Streams of days made of the sample's own rows, and what daily looks at them find."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

from data.drift.comparison import breaches, look_alpha
from data.drift.measures import EMBEDDING, NEW_WORD, kind_of, measure
from data.drift.two_sample import TESTS, Counts, compare_embeddings, compare_words
from data.drift.windows import read_window
from data.drift.words import Words
from sazon.settings import DriftSettings

ROWS_A_DAY: Final = 15
"""As in the sample."""
RAMP_DAYS: Final = 28
_NEW_PRODUCT: Final = 0.15

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Looks:
    """Every day's tests: `(days, tests)`; names of the tests."""

    p_values: NDArray[np.float64]
    effects: NDArray[np.float64]
    names: tuple[str, ...]


class Pool:
    """Rows to draw from: half the sample as it is, then the same rows with a product that nobody named before.

    The other half taught the vocabulary and the embedding.
    """

    def __init__(self, path: Path) -> None:
        window = read_window(path).sample(fraction=1.0, shuffle=True, seed=0)
        half = len(window) // 2
        words = Words(window["text"][:half].to_list())
        self.rows = window[half:]
        renamed = self.rows.with_columns(text=pl.col("text") + " los chaufaditos")
        both = pl.concat([self.rows, renamed])
        self.embedded = words.embed(both["text"].to_list())
        values = measure(both, words)
        lists = values.pop(NEW_WORD).to_list()
        self.unknown = CountVectorizer(analyzer=lambda words: words, dtype=np.int64).fit_transform(lists)
        self.codes = {name: _encode(found, kind_of(name)) for name, found in values.items()}

    @cached_property
    def unchanged(self) -> Weights:
        """Every row of the sample alike."""
        return np.repeat([1.0, 0.0], len(self.rows)) / len(self.rows)

    @cached_property
    def shifts(self) -> dict[str, Weights]:
        """What is drawn after a change, by what changed."""
        texts = self.rows["text"].str.len_chars()
        spicy = self.rows["tastes"].list.contains("picante").fill_null(False)
        return {
            "sentiment: negative {} → 50%": self._weigh(self.rows["sentiment"] == "negative", 0.50),
            "taste: picante {} → 35%": self._weigh(spicy, 0.35),
            "region: Lima {} → 45%": self._weigh(self.rows["region"] == "Lima", 0.45),
            "length: long texts {} → 70%": self._weigh(texts > texts.median(), 0.70),
            "words: new product 0% → 15%": np.repeat([1 - _NEW_PRODUCT, _NEW_PRODUCT], len(self.rows)) / len(self.rows),
        }

    def share(self, name: str) -> str:
        """The shift's name with the share before it."""
        masks = {
            "sentiment": self.rows["sentiment"] == "negative",
            "taste": self.rows["tastes"].list.contains("picante").fill_null(False),
            "region": self.rows["region"] == "Lima",
            "length": self.rows["text"].str.len_chars() > self.rows["text"].str.len_chars().median(),
        }
        mask = masks.get(name.split(":")[0])
        return name if mask is None else name.format(f"{mask.mean():.0%}")

    def _weigh(self, mask: pl.Series, share: float) -> Weights:
        chosen = mask.to_numpy()
        weights = np.where(chosen, share / chosen.sum(), (1 - share) / (~chosen).sum())
        return np.concatenate([weights, np.zeros_like(weights)])


def draw_days(pool: Pool, changed: Weights, mixes: Weights, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Places of rows in the pool, day by day.

    Args:
        pool: what is drawn from.
        changed: weights after the change.
        mixes: `(days,)`, share of rows that are drawn from them.
        rng: of the draws.
    """
    total, days = len(pool.unchanged), []
    for mix in mixes:
        before, after = rng.multinomial(rng.poisson(ROWS_A_DAY), [1 - mix, mix])
        parts = [rng.choice(total, before, p=pool.unchanged), rng.choice(total, after, p=changed)]
        days.append(np.concatenate(parts))
    return days


def look(
    pool: Pool, days: list[NDArray[np.int64]], settings: DriftSettings, rng: np.random.Generator, *, first: bool
) -> Looks:
    """Compares the window that ends with each day with a training window drawn from the sample.

    Args:
        pool: where the rows are from.
        days: places of rows; the first window ends with day `window_days`.
        settings: as shipped.
        rng: of the training window and the permutations.
        first: whether to stop at the first alarm; later looks then lack the embedding (p = 1).
    """
    reference = rng.choice(len(pool.unchanged), len(pool.rows), p=pool.unchanged)
    number = np.repeat(np.arange(len(days)), [len(day) for day in days])
    rows = np.concatenate(days)
    tested = [_test(codes, kind_of(name), reference, rows, number, settings) for name, codes in pool.codes.items()]
    tested.append(_test_words(pool, reference, rows, number, settings))
    p_values, effects = (np.stack([one[side] for one in tested] + [fill(tested[0][0])], -1) for side, fill in _FILLS)
    found = Looks(p_values, effects, (*pool.codes, NEW_WORD, EMBEDDING))
    alpha = look_alpha(settings)
    for place in range(len(p_values)):
        if first and breaches(p_values[place], effects[place], alpha, settings.min_effect).any():
            break
        live = np.concatenate(days[place : place + settings.window_days])
        p_values[place, -1], effects[place, -1] = compare_embeddings(
            pool.embedded[reference], pool.embedded[live], alpha / len(found.names), rng, exceedances=1
        )
    return found


def _test(
    codes: NDArray[np.int64],
    kind: str,
    reference: NDArray[np.int64],
    rows: NDArray[np.int64],
    number: NDArray[np.int64],
    settings: DriftSettings,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All looks of a measure at once."""
    levels, days = int(codes.max()) + 1, int(number.max()) + 1
    known = codes[rows] >= 0
    by_day = np.bincount(number[known] * levels + codes[rows][known], minlength=days * levels).reshape(days, levels)
    live = _roll(by_day, settings.window_days)
    drawn = codes[reference]
    return TESTS[kind](np.bincount(drawn[drawn >= 0], minlength=levels), live)


def _test_words(
    pool: Pool,
    reference: NDArray[np.int64],
    rows: NDArray[np.int64],
    number: NDArray[np.int64],
    settings: DriftSettings,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    days = int(number.max()) + 1
    on_day = csr_matrix((np.ones(len(rows), np.int64), (number, rows)), (days, pool.unknown.shape[0]))
    live = _roll((on_day @ pool.unknown).toarray(), settings.window_days)
    live_rows = _roll(np.bincount(number, minlength=days)[:, None], settings.window_days)[:, 0]
    drawn = np.asarray(pool.unknown[reference].sum(0))[0]
    return compare_words(drawn, live, len(reference), live_rows)[:2]


def _roll(by_day: Counts, window_days: int) -> Counts:
    """Sums over each window of days: `(days, levels)` to `(looks, levels)`."""
    until = np.concatenate([np.zeros_like(by_day[:1]), by_day.cumsum(0)])
    return until[window_days:] - until[:-window_days]


def _encode(values: pl.Series, kind: str) -> NDArray[np.int64]:
    """Places of the values among the sorted levels, -1 for none."""
    if kind == "share":
        return values.cast(pl.Int64).fill_null(-1).to_numpy()
    return (values.rank("dense").cast(pl.Int64) - 1).fill_null(-1).to_numpy()


_FILLS: Final = ((0, np.ones_like), (1, np.zeros_like))
