"""What is compared: one series of values for each measure, null where a row has none."""

from typing import Final, Literal

import polars as pl

from data.drift.windows import PREDICTED_SENTIMENT, PREDICTED_TASTES
from data.drift.words import Words
from sazon import schema

Kind = Literal["mix", "order", "share", "word"]

LENGTH: Final = "text: length"
UNKNOWN: Final = "text: unknown words"
NEW_WORD: Final = "text: new word"
EMBEDDING: Final = "text: embedding"
_LENGTH_STEP: Final = 5


def measure(rows: pl.DataFrame, words: Words) -> dict[str, pl.Series]:
    """The values of a window, by name of the measure.

    Args:
        rows: as `data.drift.windows` gives them.
        words: learnt from other rows.

    Returns:
        Length in steps of 5 characters, unknown words and their share, labels, features, and predictions, if any.
    """
    unknown, shares = words.find_unknown(rows["text"].to_list())
    values = {
        LENGTH: rows["text"].str.len_chars() // _LENGTH_STEP * _LENGTH_STEP,
        UNKNOWN: pl.Series(shares),
        NEW_WORD: pl.Series(unknown, dtype=pl.List(pl.String)),
        "labels: sentiment": rows["sentiment"],
        **_tastes("labels", rows["tastes"]),
        **{f"features: {name}": rows[name] for name in ("rating", "product", "region", "channel")},
    }
    if PREDICTED_SENTIMENT in rows.columns:
        values["predictions: sentiment"] = rows[PREDICTED_SENTIMENT]
    if PREDICTED_TASTES in rows.columns:
        values |= _tastes("predictions", rows[PREDICTED_TASTES])
    return values


def kind_of(name: str) -> Kind:
    """How a measure's levels are compared."""
    if name in (LENGTH, UNKNOWN):
        return "order"
    if name == NEW_WORD:
        return "word"
    return "share" if name.split(": ")[1] in schema.TASTES else "mix"


def _tastes(group: str, labels: pl.Series) -> dict[str, pl.Series]:
    return {f"{group}: {taste}": labels.list.contains(taste) for taste in schema.TASTES}
