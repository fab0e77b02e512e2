"""The feedback store as one training file: the same rows give the same bytes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from data.labelling.book import LabelBook
from data.labelling.review import read_labels
from data.store import FeedbackStore
from sazon.errors import UserError
from sazon.schema import FEEDBACK_OPTIONAL, FEEDBACK_REQUIRED

_NEAR = "near_duplicate_of"


def export_feedback(store: FeedbackStore, out: Path, book: LabelBook) -> tuple[int, list[str]]:
    """Writes all rows as CSV, by time and id, with the labels that people gave since (`data.labelling`).

    Near duplicates get one `family`, so that the split of a training never divides them. A `split` is written only
    where every row has one: the contract wants it in every row or in none.

    Args:
        store: what to write.
        out: the file; replaced whole.
        book: where those labels are.

    Returns:
        The number of rows, and the digests of the ingest batches that they came with.

    Raises:
        UserError: the store is empty.
    """
    rows = store.rows().sort("created_at", "feedback_id").collect()
    if rows.is_empty():
        raise UserError(f"{store.folder}: holds no feedback yet (bring some in: sazon ingest FILE)")
    rows = _with_labels(rows, book)
    batches = rows["batch"].unique().sort().to_list()
    table = rows.with_columns(
        created_at=pl.col("created_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"), family=_families(rows)
    )
    with _staged(out) as staging:
        table.select(_columns(table)).write_csv(staging)
    return len(table), batches


def _columns(table: pl.DataFrame) -> list[str]:
    has_split = bool((table["split"].fill_null("") != "").all())
    return [*FEEDBACK_REQUIRED, *(name for name in FEEDBACK_OPTIONAL if name != "split" or has_split)]


def _with_labels(rows: pl.DataFrame, book: LabelBook) -> pl.DataFrame:
    """Settled labels in place of what the rows said."""
    labels = [(name, label.sentiment, label.tastes_cell) for name, label in read_labels(book).items()]
    names = ("feedback_id", "sentiment", "tastes")
    return rows.update(pl.DataFrame(labels, schema=dict.fromkeys(names, pl.String), orient="row"), on="feedback_id")


def _families(rows: pl.DataFrame) -> pl.Series:
    """A row's own family, else that of the first text that it is nearly the same as, named after it."""
    near = dict(rows.filter(pl.col(_NEAR).is_not_null()).select("feedback_id", _NEAR).iter_rows())
    root = {name: _follow(near, name) for name in near}
    root |= {name: name for name in root.values()}
    own = dict(rows.filter(pl.col("family").fill_null("") != "").select("feedback_id", "family").iter_rows())
    return pl.Series(
        "family",
        [own.get(name) or own.get(root.get(name, "")) or root.get(name, "") for name in rows["feedback_id"]],
        dtype=pl.String,
    )


def _follow(near: dict[str, str], name: str) -> str:
    while name in near:
        name = near[name]
    return name


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A file beside the target that takes its place when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield staging
        staging.replace(target)
    finally:
        staging.unlink(missing_ok=True)
