"""The two sides of a comparison as frames of one form, from a file or from the store."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from data.reading import read_cells
from data.store import FeedbackStore
from data.validation import type_feedback, type_tastes
from sazon import schema
from sazon.errors import DataError, UserError

PREDICTED_SENTIMENT: Final = "predicted_sentiment"
PREDICTED_TASTES: Final = "predicted_tastes"
_WHOLE: Final = ("feedback_id", "text", "product", "region", "channel")
_SYNTHETIC: Final = ("generated", "written")


def read_window(path: Path) -> pl.DataFrame:
    """The rows of a file that follows the contract; predictions from `predicted_sentiment` and `predicted_tastes`.

    Returns:
        feedback_id, text, product, region, channel, source, rating ("none" where absent), sentiment and tastes (null:
        nobody labelled the row), and the predictions where the file has them.

    Raises:
        DataError: the file, a row, or a prediction breaks the contract.
    """
    cells = read_cells(path)
    typed = type_feedback(cells, path)
    predicted = {name: cells[name].tolist() for name in (PREDICTED_SENTIMENT, PREDICTED_TASTES) if name in cells}
    _check_predictions(predicted, path)
    return _shape({name: typed[name].tolist() for name in typed}, predicted)


def rows_before(store: FeedbackStore, days: int) -> pl.DataFrame:
    """The store's rows before its last days; see `live_window`."""
    return _from_store(store.rows(until=_live_since(store, days)).collect())


def live_window(store: FeedbackStore, days: int) -> pl.DataFrame:
    """The rows of the store's last days.

    Args:
        store: of feedback.
        days: whole days in UTC, that of the newest row included.

    Raises:
        UserError: the store is empty.
    """
    return _from_store(store.rows(since=_live_since(store, days)).collect())


def _live_since(store: FeedbackStore, days: int) -> datetime:
    newest = store.rows().select(pl.col("created_at").max()).collect().item()
    if newest is None:
        raise UserError(f"{store.folder}: holds no feedback yet (bring some in: sazon ingest FILE)")
    midnight: datetime = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days - 1)


def apart(reference: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """The reference without the live rows that were trained on.

    A vocabulary that a row has taught knows all its words: measured by it, the row would look like no other.

    Args:
        reference: as `read_window` gives it.
        live: likewise; what it shares with the reference is told by `feedback_id` and text.
    """
    key = ["feedback_id", "text"]
    return reference.join(live.select(key).unique(), on=key, how="anti")


def count_synthetic(window: pl.DataFrame) -> int:
    """Rows that say that nobody wrote them."""
    return int(window["source"].is_in(_SYNTHETIC).sum())


def _from_store(rows: pl.DataFrame) -> pl.DataFrame:
    labels = rows.select(pl.col("sentiment", "tastes").fill_null(""))
    return _shape({**rows.to_dict(as_series=False), "tastes": type_tastes(labels.to_pandas())}, {})


def _shape(columns: dict[str, list[Any]], predicted: dict[str, list[str]]) -> pl.DataFrame:
    rows = len(columns["text"])
    frame = pl.DataFrame({name: columns[name] for name in _WHOLE}, schema=dict.fromkeys(_WHOLE, pl.String))
    ratings = ["none" if value is None or value != value else str(int(value)) for value in columns["rating"]]
    tastes = [None if labels is None else list(labels) for labels in columns["tastes"]]
    frame = frame.with_columns(
        pl.Series("rating", ratings, pl.String),
        pl.Series("sentiment", [value or None for value in columns["sentiment"]], pl.String),
        pl.Series("tastes", tastes, pl.List(pl.String)),
        pl.Series("source", columns.get("source", [None] * rows), pl.String),
    )
    if PREDICTED_SENTIMENT in predicted:
        found = [cell or None for cell in predicted[PREDICTED_SENTIMENT]]
        frame = frame.with_columns(pl.Series(PREDICTED_SENTIMENT, found, pl.String))
    if PREDICTED_TASTES in predicted:
        split = [_labels(cell) for cell in predicted[PREDICTED_TASTES]]
        frame = frame.with_columns(pl.Series(PREDICTED_TASTES, split, pl.List(pl.String)))
    return frame


def _check_predictions(predicted: dict[str, list[str]], path: Path) -> None:
    allowed = {PREDICTED_SENTIMENT: schema.SENTIMENTS, PREDICTED_TASTES: schema.TASTES}
    for name, cells in predicted.items():
        for number, cell in enumerate(cells, 1):
            if bad := set(_labels(cell)) - set(allowed[name]):
                want = ", ".join(allowed[name])
                raise DataError(f'{path.name}, row {number}, column {name}: "{min(bad)}" is no label (want {want})')


def _labels(cell: str) -> list[str]:
    return [label for part in cell.split(schema.TASTE_SEPARATOR) if (label := part.strip())]
