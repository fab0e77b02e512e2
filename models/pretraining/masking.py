"""Whole-word masking: which tokens a masked language model has to guess, and what it sees instead.

Source: Devlin et al., "BERT" (2019), and the whole-word masking of its later releases.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from models.text.tokeniser import Tokeniser
from models.text.wordpiece import SPECIAL_TOKENS

_HIDDEN: Final = 0.8
_SWAPPED: Final = 0.1  # the rest stays as it is
_CONTINUATION: Final = "##"


class Masked(NamedTuple):
    """Packed tokens with a part of the words to guess.

    Attributes:
        tokens: (packed,) int32, what the model sees.
        reads: (reads,) int32, places of the tokens to guess.
        targets: (reads,) int32, what stood there.
    """

    tokens: np.ndarray
    reads: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class WordMasker:
    """Masks words of packed texts.

    Attributes:
        share: of the words that are to be guessed.
        mask_id: hides a token.
        continues: (vocabulary,) bool, tokens that go on with the word before them.
        special: (vocabulary,) bool, tokens that are never to be guessed, nor stand in for a word.
    """

    share: float
    mask_id: int
    continues: np.ndarray
    special: np.ndarray

    @classmethod
    def of(cls, tokeniser: Tokeniser, share: float) -> "WordMasker":
        """The masker of a vocabulary."""
        continues = np.array([token.startswith(_CONTINUATION) for token in tokeniser.vocabulary])
        special = np.isin(np.array(tokeniser.vocabulary), SPECIAL_TOKENS)
        return cls(share, tokeniser.mask_id, continues, special)

    def mask(self, tokens: np.ndarray, rng: np.random.Generator) -> Masked:
        """Chooses words and hides 80% of them, swaps 10% for random tokens and leaves 10%.

        Args:
            tokens: (packed,) int32, texts one after the other, each [CLS] … [SEP].
            rng: decides everything.
        """
        words = self.number_words(tokens)
        count = int(words.max(initial=-1)) + 1
        wanted = min(count, max(1, round(self.share * count)))
        fate = np.full(count + 1, np.inf)  # the last one stands for the special tokens
        fate[rng.permutation(count)[:wanted]] = rng.random(wanted)
        fates = fate[words]
        reads = np.flatnonzero(fates < 1).astype(np.int32)
        seen = tokens.copy()
        seen[fates < _HIDDEN] = self.mask_id
        swapped = np.flatnonzero((fates >= _HIDDEN) & (fates < _HIDDEN + _SWAPPED))
        seen[swapped] = rng.choice(np.flatnonzero(~self.special), len(swapped))
        return Masked(seen, reads, tokens[reads])

    def number_words(self, tokens: np.ndarray) -> np.ndarray:
        """(packed,) int64, the word that each token is of, counted over the batch; -1 for special tokens."""
        special = self.special[tokens]
        after_special = np.concatenate([[True], special[:-1]])  # a long text may be cut within a word
        starts = ~special & (~self.continues[tokens] | after_special)
        return np.where(special, -1, np.cumsum(starts) - 1)
