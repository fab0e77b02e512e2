"""What both sides of the training benchmark learn from: sizes, texts, labels. Needs numpy alone."""

from dataclasses import dataclass

import numpy as np

CLASSES = 3
LONGEST = 64  # tokens


@dataclass(frozen=True)
class Size:
    """A BERT encoder, and how many batches it is timed on."""

    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocabulary: int
    warm_up: int
    timed: int

    def flops(self, lengths: np.ndarray) -> float:
        """Floating-point operations of one training pass over texts, in matrix products; no padding, no embeddings.

        Source: Kaplan et al., "Scaling Laws for Neural Language Models" (2020): twice the weights forward, four times
        back, per token; and the same for the products of attention.
        """
        weights = self.layers * (4 * self.hidden**2 + 2 * self.hidden * self.intermediate)
        attention = 2 * self.layers * self.hidden * float((lengths.astype(float) ** 2).sum())
        return 6 * (weights * float(lengths.sum()) + attention)


SIZES = {
    "small": Size(4, 256, 4, 1024, 8_000, warm_up=24, timed=96),
    "base": Size(12, 768, 12, 3072, 31_000, warm_up=3, timed=9),
}


@dataclass(frozen=True)
class Texts:
    """Token ids, one array a text, and a label each."""

    tokens: list[np.ndarray]
    labels: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """(texts,) int, in tokens."""
        return np.array([len(one) for one in self.tokens])


def make_texts(count: int, vocabulary: int, seed: int = 0) -> Texts:
    """Texts of about 20 tokens, log-normal, 64 at most; words by Zipf's law."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(np.log(18), 0.55, count), 4, LONGEST).astype(int)
    tokens = [(5 + rng.zipf(1.2, length) % (vocabulary - 5)).astype(np.int32) for length in lengths]
    return Texts(tokens, rng.integers(0, CLASSES, count))
