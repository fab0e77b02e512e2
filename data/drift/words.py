"""What texts are measured by: words that are known, and embeddings, both learnt from a part of the training window.

The other part is compared with the live window. Rows that taught the vocabulary hold no unknown word by construction,
so they would make any live window look strange.
"""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline

from sazon.text import normalise_for_grouping

_WORD: Final = re.compile(r"\w+")
_BUCKETS: Final = 2**14
_DIMENSIONS: Final = 16
_MOST_TEXTS: Final = 5_000


class Words:
    """Vocabulary and embedding."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Learns from at least one text; the vocabulary from all, the embedding from the first 5,000."""
        split = [_split(text) for text in texts]
        self._known = {word for words in split for word in words}
        joined = [" ".join(words) for words in split[:_MOST_TEXTS]]
        self._embedding = make_pipeline(
            HashingVectorizer(n_features=_BUCKETS, token_pattern=_WORD.pattern, alternate_sign=False, norm=None),
            TfidfTransformer(sublinear_tf=True),
            TruncatedSVD(_DIMENSIONS, random_state=0),
        ).fit(joined)

    def find_unknown(self, texts: Sequence[str]) -> tuple[list[list[str]], NDArray[np.float64]]:
        """The different unknown words of each text, and their share among its words in steps of 2%."""
        unknown, shares = [], np.zeros(len(texts))
        for place, text in enumerate(texts):
            words = _split(text)
            strange = [word for word in words if word not in self._known]
            unknown.append(sorted(set(strange)))
            shares[place] = len(strange) / max(1, len(words))
        return unknown, np.round(shares * 50) / 50

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Hashed TF-IDF, reduced: `(texts, 16) float32`."""
        vectors = self._embedding.transform([" ".join(_split(text)) for text in texts])
        return np.asarray(vectors, np.float32)


def _split(text: str) -> list[str]:
    return _WORD.findall(normalise_for_grouping(text))
