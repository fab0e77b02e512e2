"""The generator of feedback rows.

The split is by grammar family first, then by time: rows dated from `timeline.TEST_FROM` on (the last two months) are
written with test families only, rows before it with train and eval families only. So no family is in two splits, train
and eval end before the test begins, and there are rows in every month.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from data.generator.families import load_skeletons
from data.generator.intent import Intent, draw_intent
from data.generator.lexicon import load_lexicon
from data.generator.realisation import Draft, Writer
from data.generator.semantics import sentiment_of, tastes_of
from data.generator.surface import add_surface_noise
from data.generator.timeline import TEST_FROM, WINDOW_END, WINDOW_START, draw_moment
from sazon.schema import FEEDBACK_REQUIRED, SENTIMENTS, SPLITS, TASTE_SEPARATOR, TASTES
from sazon.text import normalise_for_grouping

EVAL_SHARE = 500 / 6500
TEST_SHARE = 700 / 6500

SENTIMENT_NOISE = 0.02
"""Share of train rows whose sentiment is replaced by another one."""

TASTE_NOISE = 0.02
"""Share of train rows with one taste label dropped or added. Eval and test carry no label noise."""

NO_RATING = 0.15

_RATINGS = {
    "positive": (0.03, 0.03, 0.08, 0.31, 0.55),
    "neutral": (0.08, 0.14, 0.44, 0.21, 0.13),
    "negative": (0.45, 0.25, 0.13, 0.07, 0.1),
}
_MOST_TRIES = 60


@dataclass
class _Row:
    at: datetime
    text: str
    intent: Intent
    rating: str
    sentiment: str
    tastes: tuple[str, ...]
    family: str
    split: str


def generate_feedback(rows: int, seed: int) -> pd.DataFrame:
    """Generates feedback; the same arguments give the same table, cell by cell.

    Args:
        rows: how many.
        seed: of all chance.

    Returns:
        Columns `schema.FEEDBACK_REQUIRED`, then source ("generated"), family and split; all str, ordered by time.
        `attrs` holds the seed and `label_noise`: counts of rows with a changed sentiment or taste label.
    """
    rng = random.Random(seed)
    made = sorted(_make_rows(rows, rng), key=lambda row: row.at)
    noise = _add_label_noise(made, rng)
    table = pd.DataFrame([_as_record(number, row) for number, row in enumerate(made, start=1)])
    table = table[[*FEEDBACK_REQUIRED, "source", "family", "split"]]
    table.attrs.update(seed=seed, label_noise=noise)
    return table


def _make_rows(rows: int, rng: random.Random) -> Iterator[_Row]:
    sizes = {"eval": round(rows * EVAL_SHARE), "test": round(rows * TEST_SHARE)}
    sizes["train"] = rows - sum(sizes.values())
    seen: set[str] = set()
    for split in SPLITS:
        skeletons = tuple(skeleton for skeleton in load_skeletons() if skeleton.split == split)
        writer = Writer(load_lexicon(), skeletons, held_out=split == "test")
        first, last = (TEST_FROM, WINDOW_END) if split == "test" else (WINDOW_START, TEST_FROM - timedelta(days=1))
        for _ in range(sizes[split]):
            yield _make_row(writer, split, draw_moment(rng, first, last), seen, rng)


def _make_row(writer: Writer, split: str, at: datetime, seen: set[str], rng: random.Random) -> _Row:
    intent = draw_intent(rng, at)
    for _ in range(_MOST_TRIES):
        draft = writer.write(intent, rng)
        text = add_surface_noise(draft.text, intent.polarity, intent.channel, rng)
        key = normalise_for_grouping(text)
        if key not in seen:
            seen.add(key)
            return _label(draft, text, intent, split, rng)
    raise RuntimeError(f"no new text after {_MOST_TRIES} tries for {intent.product.name}; the grammar is exhausted")


def _label(draft: Draft, text: str, intent: Intent, split: str, rng: random.Random) -> _Row:
    sentiment = sentiment_of(draft.clauses)
    rating = "" if rng.random() < NO_RATING else str(rng.choices(range(1, 6), weights=_RATINGS[sentiment])[0])
    return _Row(intent.at, text, intent, rating, sentiment, tastes_of(draft.clauses), draft.skeleton.family, split)


def _add_label_noise(made: list[_Row], rng: random.Random) -> dict[str, int]:
    counts = {"sentiment_rows": 0, "taste_rows": 0}
    for row in made:
        if row.split != "train":
            continue
        if rng.random() < SENTIMENT_NOISE:
            row.sentiment = rng.choice([name for name in SENTIMENTS if name != row.sentiment])
            counts["sentiment_rows"] += 1
        if rng.random() < TASTE_NOISE:
            row.tastes = _change_one(row.tastes, rng)
            counts["taste_rows"] += 1
    return counts


def _change_one(tastes: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """Drops one label, or adds one where there is none to drop or the coin says so."""
    if tastes and rng.random() < 0.5:
        dropped = rng.choice(tastes)
        return tuple(taste for taste in tastes if taste != dropped)
    added = rng.choice([taste for taste in TASTES if taste not in tastes])
    return tuple(taste for taste in TASTES if taste in tastes or taste == added)


def _as_record(number: int, row: _Row) -> dict[str, str]:
    return {
        "feedback_id": f"g-{number:06d}",
        "created_at": row.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "text": row.text,
        "product": row.intent.product.name,
        "category": row.intent.product.category,
        "region": row.intent.region,
        "channel": row.intent.channel,
        "rating": row.rating,
        "sentiment": row.sentiment,
        "tastes": TASTE_SEPARATOR.join(row.tastes),
        "source": "generated",
        "family": row.family,
        "split": row.split,
    }
