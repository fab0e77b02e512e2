"""How much a text would teach: uncertainty, disagreement and novelty, from 0 to 1, and a choice that does not repeat.

Source: entropy sampling and query by committee as in Settles, Active Learning Literature Survey (2009), sections 3.1
and 3.2; information density as in Settles and Craven (2008), so that oddities do not fill the queue; the choice is
maximal marginal relevance, Carbonell and Goldstein (1998).
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from data.labelling.classifiers import Answers

SAME: Final = 0.8
"""Cosine similarity from which a text brings nothing beside another."""
_REPEATED: Final = 0.5
"""Weight of the similarity to what was chosen, beside the score's."""

_WORD_OR_SIGN: Final = r"\w+|[^\w\s]"
"""Words of any length, and single signs: an emoji says much."""

Scores = npt.NDArray[np.float64]


def measure_uncertainty(answers: Answers) -> Scores:
    """Mean of the entropy of the sentiment and of the least certain taste, each as a share of its greatest.

    Returns:
        (rows,) float64.
    """
    sentiment = _entropy(answers.sentiment_probs) / np.log(answers.sentiment_probs.shape[1])
    tastes = np.stack([answers.taste_probs, 1 - answers.taste_probs], axis=-1)
    mean: Scores = (sentiment + _entropy(tastes).max(axis=1) / np.log(2)) / 2
    return mean


def measure_disagreement(answers: Answers, ratings: Sequence[int | None], rival: Answers | None) -> Scores:
    """The greater of two distances: of the sentiment to the stars, and to what another model says.

    Args:
        answers: of the model.
        ratings: (rows,) 1 to 5, None where there is none.
        rival: answers of another model; their distance is the total variation.

    Returns:
        (rows,) float64.
    """
    leaning = answers.sentiment_probs[:, 2] - answers.sentiment_probs[:, 0]
    stars = np.array([np.nan if rating is None else (rating - 3) / 2 for rating in ratings], float)
    distance: Scores = np.nan_to_num(np.abs(leaning - stars) / 2, nan=0.0)
    if rival is None:
        return distance
    return np.maximum(distance, np.abs(answers.sentiment_probs - rival.sentiment_probs).sum(axis=1) / 2)


def vectorise(texts: list[str], known: list[str]) -> tuple[Any, Any]:
    """Unit TF-IDF vectors of words, pairs of words and signs, as two sparse matrices."""
    words = TfidfVectorizer(
        strip_accents="unicode", token_pattern=_WORD_OR_SIGN, ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32
    )
    words.fit([*texts, *known])
    return words.transform(texts), words.transform(known) if known else None


def measure_novelty(vectors: Any, known: Any | None) -> Scores:
    """Cosine distance to the nearest known text; 1 where none is known.

    Returns:
        (rows,) float64.
    """
    if known is None:
        return np.ones(vectors.shape[0])
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine", algorithm="brute").fit(known)
    distances: Scores = nearest.kneighbors(vectors)[0][:, 0].astype(np.float64)
    return distances.clip(0, 1)


def measure_typicality(vectors: Any) -> Scores:
    """Cosine of each text to the mean of all: low for what is like nothing else.

    Returns:
        (rows,) float64.
    """
    centre = np.asarray(vectors.mean(axis=0)).ravel()
    likeness: Scores = (vectors @ centre).astype(np.float64) / np.linalg.norm(centre)
    return likeness


def combine(signals: Sequence[Scores]) -> Scores:
    """The mean rank of each row, so that signals of different spread count alike.

    >>> combine([np.array([0.1, 0.9]), np.array([0.0, 0.001])]).tolist()
    [0.5, 1.0]
    """
    ranks = [np.searchsorted(np.sort(signal), signal, side="right") / len(signal) for signal in signals]
    mean: Scores = np.mean(ranks, axis=0)
    return mean


def pick_diverse(scores: Scores, vectors: Any, size: int) -> list[int]:
    """Rows of high score that are unlike those picked before; one that is nearly the same as such is never picked.

    Args:
        scores: (rows,).
        vectors: (rows, words) sparse, of unit length.
        size: rows to pick at most.

    Returns:
        Indices, the best first.
    """
    nearest = np.zeros(len(scores))
    picked: list[int] = []
    while len(picked) < size:
        worth = np.where(nearest < SAME, scores - _REPEATED * nearest, -np.inf)
        worth[picked] = -np.inf
        best = int(worth.argmax())
        if worth[best] == -np.inf:
            break
        picked.append(best)
        nearest = np.maximum(nearest, (vectors @ vectors[best].T).toarray()[:, 0])
    return picked


def _entropy(probabilities: np.ndarray) -> Scores:
    """Along the last axis, in nats."""
    sure = np.clip(probabilities.astype(np.float64), 1e-12, 1)
    entropy: Scores = -(sure * np.log(sure)).sum(axis=-1)
    return entropy
