"""Comparing two shares while requests come in: valid however often one looks, and without a fixed sample size.

Both shares are unknown. For one of them, the likelihood averaged over a Beta prior, divided by the likelihood at a
supposed share, has mean at most one if the share is the supposed one (a test martingale). So has the product of two
such ratios, and its smallest value over all pairs that a hypothesis allows is evidence against that hypothesis: by
Ville's inequality it ever reaches `1 / alpha` with a probability of at most `alpha` while the hypothesis holds.

Source: J. Ville, Étude critique de la notion de collectif (1939); H. Robbins, Statistical methods related to the law of
the iterated logarithm, Ann. Math. Statist. 41 (1970); L. Wasserman, A. Ramdas, S. Balakrishnan, Universal inference,
PNAS 117 (2020), for the smallest value; S. Howard, A. Ramdas, Sequential estimation of quantiles with applications to
A/B testing and best-arm identification, Bernoulli 28 (2022), for quantiles as shares beyond a value.
"""

import math
from dataclasses import dataclass
from typing import Final

from scipy.optimize import minimize_scalar

_PRIOR: Final = 0.5
"""Of Jeffreys and of Krichevsky–Trofimov: costs least in the worst case, about half a logarithm of the sample."""
_EDGE: Final = 1e-12


@dataclass(frozen=True)
class Share:
    """Counted `hits` in `total` independent trials."""

    hits: float
    total: float

    @property
    def value(self) -> float:
        """The share, NaN where nothing was counted."""
        return self.hits / self.total if self.total else math.nan


def evidence_above(share: Share, reference: Share | float, margin: float) -> float:
    """Evidence against: "`share` is at most `reference` + `margin`".

    Args:
        share: what is judged.
        reference: counted beside it, or a known constant.
        margin: how much more is tolerated, -1 to 1.

    Returns:
        Natural logarithm of an e-value: not above log(1/alpha), but with a probability of at most alpha, if it holds.

    >>> evidence_above(Share(50, 100), Share(10, 100), 0.1) > math.log(1 / 0.002)
    True
    >>> evidence_above(Share(12, 100), Share(10, 100), 0.1)
    0.0
    """
    if not share.total or (isinstance(reference, Share) and not reference.total):
        return 0.0
    known = reference.value if isinstance(reference, Share) else reference
    if share.value <= known + margin:
        return 0.0
    return _least_on_boundary(share, reference, margin)


def evidence_below(share: Share, reference: Share | float, margin: float) -> float:
    """Evidence against: "`share` is at least `reference` + `margin`"; see `evidence_above`."""
    if not share.total or (isinstance(reference, Share) and not reference.total):
        return 0.0
    known = reference.value if isinstance(reference, Share) else reference
    if share.value >= known + margin:
        return 0.0
    return _least_on_boundary(share, reference, margin)


def _least_on_boundary(share: Share, reference: Share | float, margin: float) -> float:
    """The hypothesis is convex and the likelihood quasi-concave: its best pair is one `margin` apart."""
    if not isinstance(reference, Share):
        return max(0.0, _log_averaged(share) - _log_likelihood(share, reference + margin))
    low, high = max(0.0, -margin) + _EDGE, min(1.0, 1.0 - margin) - _EDGE

    def unlikelihood(supposed: float) -> float:
        return -_log_likelihood(share, supposed + margin) - _log_likelihood(reference, supposed)

    found = minimize_scalar(unlikelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-8})
    return max(0.0, _log_averaged(share) + _log_averaged(reference) + float(found.fun))


def _log_averaged(share: Share) -> float:
    misses = share.total - share.hits
    return _log_beta(_PRIOR + share.hits, _PRIOR + misses) - _log_beta(_PRIOR, _PRIOR)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_likelihood(share: Share, supposed: float) -> float:
    supposed = min(max(supposed, _EDGE), 1.0 - _EDGE)
    return share.hits * math.log(supposed) + (share.total - share.hits) * math.log1p(-supposed)
