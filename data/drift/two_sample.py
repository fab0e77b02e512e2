"""Two-sample tests over counts, any number of live windows at once, and one over embeddings.

Each gives a p-value and an effect between 0 (the same) and 1. Counts of the reference are `(levels,) int64`, those of
the live windows `(..., levels) int64`; the results have the leading axes.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Counts = NDArray[np.int64]
Figures = NDArray[np.float64]

LEAST_EXPECTED: Final = 5.0
"""Levels with fewer rows expected in the live window count together, or not at all where even that is too few."""

_BATCH: Final = 64


def compare_mix(reference: Counts, live: Counts) -> tuple[Figures, Figures]:
    """Pearson's chi-squared over unordered levels; the effect is the total variation distance.

    >>> p, effect = compare_mix(np.array([500, 500]), np.array([90, 10]))
    >>> bool(p < 1e-9), float(effect)
    (True, 0.4)
    """
    pooled = reference + live
    rows, total = live.sum(-1, keepdims=True), pooled.sum(-1, keepdims=True)
    expected = pooled * rows / np.maximum(total, 1)
    rare = expected < LEAST_EXPECTED
    found, wanted = _join(live, rare), _join(expected, rare)
    used = wanted >= LEAST_EXPECTED
    # The reference side has the same difference over its own, larger expectation.
    terms = np.where(used, (found - wanted) ** 2 / np.where(used, wanted, 1), 0)
    statistic = terms.sum(-1) * (total / np.maximum(total - rows, 1))[..., 0]
    freedom = used.sum(-1) - 1
    p = np.where(freedom > 0, stats.chi2.sf(statistic, np.maximum(freedom, 1)), 1.0)
    return p, np.abs(_shares(reference) - _shares(live)).sum(-1) / 2


def compare_order(reference: Counts, live: Counts) -> tuple[Figures, Figures]:
    """Kolmogorov-Smirnov over ordered levels (conservative where values tie); the effect is its D.

    >>> p, effect = compare_order(np.array([50, 50, 0]), np.array([0, 50, 50]))
    >>> bool(p < 1e-6), float(effect)
    (True, 0.5)
    """
    distance = np.abs(_shares(reference).cumsum(-1) - _shares(live).cumsum(-1)).max(-1)
    m, n = live.sum(-1), reference.sum(-1)
    return stats.kstwobign.sf(distance * np.sqrt(m * n / np.maximum(m + n, 1))), distance


def compare_share(reference: Counts, live: Counts) -> tuple[Figures, Figures]:
    """Fisher's exact test of two levels (the doubled smaller tail); the effect is the difference of the share.

    >>> p, effect = compare_share(np.array([900, 100]), np.array([60, 40]))
    >>> bool(p < 1e-9), round(float(effect), 3)
    (True, 0.3)
    """
    hits, rows = live[..., 1], live.sum(-1)
    null = stats.hypergeom(rows + reference.sum(-1), hits + reference[..., 1], rows)
    p = np.minimum(1.0, 2 * np.minimum(null.cdf(hits), null.sf(hits - 1)))
    return p, np.abs(_shares(reference)[..., 1] - _shares(live)[..., 1])


def compare_words(
    reference: Counts, live: Counts, reference_rows: int, live_rows: Counts
) -> tuple[Figures, Figures, NDArray[np.int64]]:
    """Fisher's exact test of the word whose share of rows rose most, Bonferroni over all that are common enough.

    Args:
        reference: rows that hold each word, `(words,)`.
        live: likewise, `(..., words)`.
        reference_rows: of the training window.
        live_rows: of each live window, `(...)`.

    Returns:
        p, the rise of the share (0 where no word is common enough), and the place of the word.
    """
    pooled = reference + live
    common = pooled >= LEAST_EXPECTED
    rise = np.where(common, live / np.maximum(live_rows, 1)[..., None] - reference / max(1, reference_rows), -1.0)
    top = rise.argmax(-1)
    hits, both, risen = (np.take_along_axis(one, top[..., None], -1)[..., 0] for one in (live, pooled, rise))
    tail = stats.hypergeom.sf(hits - 1, live_rows + reference_rows, both, live_rows)
    p = np.where(common.any(-1), np.minimum(1.0, tail * common.sum(-1)), 1.0)
    return p, np.maximum(risen, 0.0), top


TESTS: Final[dict[str, Callable[[Counts, Counts], tuple[Figures, Figures]]]] = {
    "mix": compare_mix,
    "order": compare_order,
    "share": compare_share,
}
METHODS: Final = {
    "mix": "chi-squared; total variation",
    "order": "Kolmogorov-Smirnov; D",
    "share": "Fisher's exact; difference of shares",
    "word": "Fisher's exact, Bonferroni over words; rise of the share",
    "embedding": "MMD, permutations; distance of means",
}


def compare_embeddings(
    reference: NDArray[np.float32],
    live: NDArray[np.float32],
    least_p: float,
    rng: np.random.Generator,
    exceedances: int = 10,
) -> tuple[float, float]:
    """Maximum mean discrepancy with a linear kernel, by permutations.

    Permutations end early once some were at least as far apart: the p-value is valid and coarse where it is large, fine
    where it is small (Besag and Clifford, 1991).

    Args:
        reference: `(rows, dimensions)`.
        live: likewise.
        least_p: p-value that a true drift must be able to reach.
        rng: of the permutations.
        exceedances: so many end them; with 1 a p-value tells no more than whether it is at most `least_p`.

    Returns:
        p, and the distance of the means over the root mean square distance of two rows, at most 1.
    """
    pooled = np.concatenate([reference, live])
    pooled = pooled - pooled.mean(0)
    m, most = len(live), int(np.ceil(1 / least_p))
    # The pooled mean is 0, so the live rows' sum decides the distance of the means.
    observed = float(np.square(pooled[len(reference) :].sum(0)).sum()) * (1 - 1e-6)
    far = done = 0
    while done < most and far < exceedances:
        for _ in range(min(_BATCH, most - done)):
            drawn = rng.choice(len(pooled), m, replace=False, shuffle=False)
            far += float(np.square(pooled[drawn].sum(0)).sum()) >= observed
            done += 1
            if far == exceedances:
                return far / done, _standard_distance(pooled, m)
    return (far + 1) / (done + 1), _standard_distance(pooled, m)


def holm(p_values: Figures) -> Figures:
    """Adjusted p-values over the last axis (Holm, 1979): valid however the tests depend on each other.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, -1)
    factors = np.arange(p_values.shape[-1], 0, -1)
    stepped = np.maximum.accumulate(np.take_along_axis(p_values, order, -1) * factors, -1)
    adjusted = np.empty_like(stepped)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), -1)
    return adjusted


def _standard_distance(pooled: NDArray[np.float32], live_rows: int) -> float:
    n = len(pooled) - live_rows
    distance = np.linalg.norm(pooled[n:].mean(0) - pooled[:n].mean(0))
    spread = np.sqrt(2 * np.square(pooled).sum(1).mean())
    return min(1.0, float(distance / spread)) if spread > 0 else 0.0


def _join(values: NDArray[Any], rare: NDArray[np.bool_]) -> Figures:
    """Sets rare levels to 0 and appends their sum."""
    rest = np.where(rare, values, 0).sum(-1, keepdims=True)
    return np.concatenate([np.where(rare, 0, values), rest], -1).astype(np.float64)


def _shares(counts: Counts) -> Figures:
    return counts / np.maximum(counts.sum(-1, keepdims=True), 1)
