"""Batches of a tokenised corpus with hidden words; all of a batch follows from seed, epoch and number."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.bert.packing import pack
from models.inputs.batching import Grain, make_ahead, order_rows
from models.pretraining.masking import WordMasker
from models.pretraining.token_store import TokenStore
from sazon.settings import PretrainSettings

_EVAL_BATCH: Final = 128
_READS_GRAIN: Final = 64  # as `Grain`, of the tokens to guess
_EVAL_SEED: Final = 2_000_000  # every eval hides the same words


@dataclass(frozen=True)
class MaskedBatches:
    """Batches of a corpus with hidden words."""

    store: TokenStore
    masker: WordMasker
    settings: PretrainSettings
    grain: Grain

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-len(self.store.train) // self.settings.batch_size)

    def of_epoch(self, epoch: int, start: int = 0) -> Iterator[dict[str, Any]]:
        """Yields the epoch's batches from number `start` on."""
        seeds = [self.settings.seed, epoch]
        lengths = self.store.lengths(self.store.train)
        order = order_rows(lengths, self.settings.batch_size, np.random.default_rng(seeds))
        return make_ahead(order, lambda places, rng: self.make(self.store.train[places], rng), seeds, start)

    def of_eval(self) -> Iterator[dict[str, Any]]:
        """Yields the held-out texts, with the same words hidden each time."""
        order = order_rows(self.store.lengths(self.store.held_out), _EVAL_BATCH, None)
        return make_ahead(order, lambda places, rng: self.make(self.store.held_out[places], rng), [_EVAL_SEED])

    def make(self, rows: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """The batch of some rows, as `MaskedLanguageModel.objective` reads it."""
        texts = [self.store.tokens(row) for row in rows]
        masked = self.masker.mask(np.concatenate(texts), rng)
        tokens, layout = pack(texts, **self.grain.round(texts))
        words, rows_of = tokens.copy(), layout.origins // layout.mask.shape[1]
        plain = ~self.masker.special[words] & (np.arange(len(words)) < len(masked.tokens))
        in_text = np.maximum(np.bincount(rows_of[plain], minlength=len(rows)), 1)
        tokens[: len(masked.tokens)] = masked.tokens
        count = len(masked.reads)
        room = count if self.grain.packed == 1 else -(-count // _READS_GRAIN) * _READS_GRAIN
        filler = (0, room - count)
        return {
            "tokens": tokens,
            "layout": layout,
            "reads": np.pad(masked.reads, filler),
            "targets": np.pad(masked.targets, filler),
            "weights": np.pad(np.full(count, 1 / max(count, 1), np.float32), filler),
            "words": words,
            "rows": rows_of.astype(np.int32),
            "word_weights": (plain / (in_text[rows_of] * len(rows))).astype(np.float32),
        }
