"""From the feedback store to the queue."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from data.labelling import ranking
from data.labelling.book import Item, LabelBook, name_task
from data.labelling.classifiers import Answers, Jury
from data.labelling.review import Review
from data.store import FeedbackStore
from sazon.schema import SENTIMENTS, TASTE_SEPARATOR
from sazon.text import normalise_for_grouping

_KNOWN_TEXTS: Final = 10_000
"""Novelty is measured against so many of the newest labelled texts."""


def fill_queue(
    store: FeedbackStore, book: LabelBook, jury: Jury | None, *, size: int, pool: int, annotators: int
) -> list[Item]:
    """Adds the texts that teach most until `size` of them wait.

    Args:
        store: where unlabelled texts come from.
        book: where the queue is kept.
        jury: guesses labels; without one only novelty counts.
        size: texts that shall wait for labels.
        pool: so many of the newest unlabelled texts are looked at.
        annotators: people who shall label each text.

    Returns:
        The texts that were added, the best first.
    """
    items = book.items()
    room = size - len(Review.of(book).waiting())
    added: list[Item] = []
    if room > 0:
        rows = _candidates(store, {item.feedback_id for item in items}, pool)
        known = [*_labelled(store), *(item.text for item in items)]
        added = [replace(item, wanted=annotators) for item in _choose(rows, known, jury, room)]
    book.put([*added, *_guess_gold(items, jury)])
    return added


def _candidates(store: FeedbackStore, queued: set[str], pool: int) -> pl.DataFrame:
    """The newest unlabelled texts, each once."""
    unlabelled = (pl.col("sentiment").fill_null("") == "") & pl.col("near_duplicate_of").is_null()
    rows = (
        store.rows()
        .filter(unlabelled & ~pl.col("feedback_id").is_in(list(queued)))
        .sort("created_at", "feedback_id", descending=[True, False])
        .select("feedback_id", "text", "product", "rating")
        .head(pool)
        .collect()
    )
    keys = pl.Series("key", [normalise_for_grouping(text) for text in rows["text"]], dtype=pl.String)
    return rows.with_columns(keys).unique("key", keep="first", maintain_order=True)


def _labelled(store: FeedbackStore) -> list[str]:
    rows = store.rows().filter(pl.col("sentiment").fill_null("") != "").sort("created_at", descending=True)
    return rows.select("text").head(_KNOWN_TEXTS).collect()["text"].to_list()


def _choose(rows: pl.DataFrame, known: list[str], jury: Jury | None, room: int) -> list[Item]:
    """Items for the best rows, leaving out what is nearly a known text."""
    if rows.is_empty():
        return []
    vectors, known_vectors = ranking.vectorise(rows["text"].to_list(), known)
    novelty = ranking.measure_novelty(vectors, known_vectors)
    fresh = np.flatnonzero(novelty > 1 - ranking.SAME)
    if not len(fresh):
        return []
    rows, vectors, signals = rows[fresh.tolist()], vectors[fresh], {"novelty": novelty[fresh]}
    answers = jury.model.predict(rows["text"].to_list()) if jury else None
    if jury and answers:
        signals["uncertainty"] = ranking.measure_uncertainty(answers)
        rival = jury.rival.predict(rows["text"].to_list()) if jury.rival else None
        signals["disagreement"] = ranking.measure_disagreement(answers, rows["rating"].to_list(), rival)
    worth = {**signals, "novelty": ranking.combine([signals["novelty"], ranking.measure_typicality(vectors)])}
    signals["score"] = ranking.combine(list(worth.values()))
    chosen = ranking.pick_diverse(signals["score"], vectors, room)
    items = [_item(rows, signals, row) for row in chosen]
    if jury and answers:
        return [_with_guess(item, jury.name, answers, row) for item, row in zip(items, chosen, strict=True)]
    return items


def _item(rows: pl.DataFrame, signals: dict[str, ranking.Scores], row: int) -> Item:
    name, text, product = rows.select("feedback_id", "text", "product").row(row)
    figures: dict[str, Any] = {signal: round(float(values[row]), 4) for signal, values in signals.items()}
    return Item(name_task(name), name, text, product, wanted=1, **figures)


def _guess_gold(items: list[Item], jury: Jury | None) -> list[Item]:
    """Gold questions with the guess of this model: one without would tell itself among texts that have one."""
    gold = [item for item in items if item.is_gold and jury and item.model != jury.name]
    if not (jury and gold):
        return []
    answers = jury.model.predict([item.text for item in gold])
    return [_with_guess(item, jury.name, answers, row) for row, item in enumerate(gold)]


def _with_guess(item: Item, model: str, answers: Answers, row: int) -> Item:
    sentiment = answers.sentiment[row]
    return replace(
        item,
        model=model,
        guessed_sentiment=sentiment,
        guessed_tastes=TASTE_SEPARATOR.join(answers.tastes[row]),
        confidence=round(float(answers.sentiment_probs[row, SENTIMENTS.index(sentiment)]), 4),
    )
