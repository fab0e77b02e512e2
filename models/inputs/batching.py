"""Which rows make a batch, and the batch itself; all of it follows from seed, epoch and number, so a run can go on."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.bert.packing import pack
from models.inputs.example_store import UNLABELLED, ExampleStore
from sazon.schema import SENTIMENTS, TASTES
from sazon.settings import TrainSettings

_WINDOW_BATCHES = 24  # texts are sorted by length within windows of so many batches
_MAX_WEIGHT = 4.0


@dataclass(frozen=True)
class Grain:
    """Shapes are rounded up to these, for backends that compile for a shape; 1 leaves them as they are."""

    packed: int = 1
    width: int = 1

    def round(self, texts: list[np.ndarray]) -> dict[str, int]:
        """What `pack` needs to know."""
        if self.packed == 1:
            return {}
        used, longest = sum(map(len, texts)), max(map(len, texts))
        return {"packed": -(-used // self.packed) * self.packed, "width": -(-longest // self.width) * self.width}

    @classmethod
    def of_backend(cls, name: str) -> "Grain":
        """JAX compiles for a shape: a few shapes are compiled once and used for all batches."""
        return cls(packed=256, width=16) if name == "jax" else cls()


@dataclass(frozen=True)
class LabelWeights:
    """Weights that balance rare labels: `sentiment` (3,) float32, `positive_tastes` (10,) float32."""

    sentiment: np.ndarray
    positive_tastes: np.ndarray

    @classmethod
    def even(cls) -> "LabelWeights":
        """No label weighs more than another."""
        return cls(np.ones(len(SENTIMENTS), np.float32), np.ones(len(TASTES), np.float32))

    @classmethod
    def balancing(cls, store: ExampleStore) -> "LabelWeights":
        """Inverse to the root of a label's frequency, at most 4, so that rare labels are not drowned."""
        labels = store.rows["sentiment"]
        counts = np.bincount(labels[labels != UNLABELLED], minlength=len(SENTIMENTS)).astype(np.float32)
        present = counts > 0
        sentiment = np.ones(len(SENTIMENTS), np.float32)
        sentiment[present] = np.minimum(np.sqrt(counts.sum() / (present.sum() * counts[present])), _MAX_WEIGHT)
        tastes = store.rows["tastes"][store.rows["tastes_labelled"]]
        positives = tastes.sum(axis=0)
        ratio = (len(tastes) - positives) / np.maximum(positives, 1)
        return cls(sentiment, np.clip(np.sqrt(ratio), 1.0, _MAX_WEIGHT).astype(np.float32))


def order_rows(lengths: np.ndarray, batch_size: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    """Groups row numbers into batches of like length.

    Args:
        lengths: (rows,) int, tokens of each row.
        batch_size: rows a batch; the last one may be smaller.
        rng: shuffles rows between windows and the order of batches; None keeps everything sorted by length.
    """
    if rng is None:
        order = np.argsort(lengths, kind="stable")
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    shuffled = rng.permutation(len(lengths)).astype(np.int32)
    window = batch_size * _WINDOW_BATCHES
    batches = []
    for start in range(0, len(shuffled), window):
        rows = shuffled[start : start + window]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]


def make_ahead(
    order: Sequence[np.ndarray],
    make: Callable[[np.ndarray, np.random.Generator], dict[str, Any]],
    seeds: Sequence[int],
    start: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yields what `make` gives for each group of rows from number `start` on, each made while the last is in use.

    Randomness follows from `seeds` and the group's number alone.
    """
    with ThreadPoolExecutor(1) as maker:
        coming = None
        for number in range(start, len(order)):
            ready = coming or maker.submit(make, order[number], np.random.default_rng([*seeds, number]))
            coming = None
            if number + 1 < len(order):
                coming = maker.submit(make, order[number + 1], np.random.default_rng([*seeds, number + 1]))
            yield ready.result()


@dataclass(frozen=True)
class Batches:
    """The training batches of a store."""

    store: ExampleStore
    settings: TrainSettings
    weights: LabelWeights
    mask_id: int
    grain: Grain = Grain()

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-len(self.store) // self.settings.batch_size)

    def of_epoch(self, epoch: int, start: int = 0) -> Iterator[dict[str, Any]]:
        """Yields the epoch's batches from number `start` on."""
        seeds = [self.settings.seed, epoch]
        order = order_rows(self.store.lengths, self.settings.batch_size, np.random.default_rng(seeds))
        return make_ahead(order, self.make, seeds, start)

    def make(self, rows: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """The batch of some rows, as `TasteModel.objective` reads it."""
        passes = 2 if self.settings.rdrop else 1
        texts = [self._with_dropped_tokens(self.store.tokens(row), rng) for _ in range(passes) for row in rows]
        tokens, layout = pack(texts, **self.grain.round(texts))
        labels = np.tile(self.store.rows[rows], passes)
        sentiment = np.maximum(labels["sentiment"], 0).astype(np.int32)
        of_sentiment = (labels["sentiment"] != UNLABELLED).astype(np.float32)
        of_tastes = labels["tastes_labelled"].astype(np.float32)
        balance = self.weights.sentiment[sentiment]
        batch = {
            "tokens": tokens,
            "layout": layout,
            "sentiment": sentiment,
            "sentiment_weight": balance * of_sentiment / max(of_sentiment.sum(), 1.0),
            "tastes": labels["tastes"].astype(np.float32),
            "taste_weight": of_tastes / max(of_tastes.sum(), 1.0),
            "positive_weight": self.weights.positive_tastes,
            "row_weight": np.full(len(labels), passes / len(labels), np.float32),
        }
        if self.settings.context and self.store.context is not None:
            batch["context"] = np.tile(self._with_hidden_context(self.store.context[rows], rng), (passes, 1))
        return batch

    def _with_hidden_context(self, context: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Some rows show none, so that the text alone learns to answer too."""
        hidden = rng.random(len(context)) < self.settings.context_dropout
        return np.where(hidden[:, None], np.float32(np.nan), context)

    def _with_dropped_tokens(self, tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Some tokens become [MASK], never the first and the last."""
        if self.settings.token_dropout:
            inner = tokens[1:-1]
            inner[rng.random(len(inner)) < self.settings.token_dropout] = self.mask_id
        return tokens
