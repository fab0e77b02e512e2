"""What a good row is: the one declaration, by pandera, that validation and ingest both check against.

A frame under check holds text cells only, "" for an absent one.
"""

from collections.abc import Callable, Sequence
from typing import Final

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from sazon import schema

MAX_NAME_CHARS: Final = 200
"""Of an id, a product, a category."""

# A date of our time, with a time or without; a time may have seconds, a fraction and a zone.
_ISO_8601: Final = r"^(?:19|20)\d{2}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$"
_RATINGS: Final = ("", "1", "2", "3", "4", "5", "1.0", "2.0", "3.0", "4.0", "5.0")
_TASTE: Final = rf"\s*(?:{'|'.join(schema.TASTES)})?\s*"
_NUMBER: Final = r"^\d{1,12}(?:\.\d{1,9})?$"

_Good = Callable[[pl.Expr], pl.Expr]


def parse_time(cell: pl.Expr) -> pl.Expr:
    """UTC timestamps of ISO-8601 cells, null where a cell is none; a time without a zone is UTC."""
    whole = (
        cell.str.replace(" ", "T", literal=True)
        .str.replace(r"^(\d{4}-\d{2}-\d{2})$", "${1}T00:00:00Z")
        .str.replace(r"([+-]\d{2}):(\d{2})$", "${1}${2}")
        .str.replace(r"(T\d{2}:\d{2})(Z|[+-].*|)$", "${1}:00${2}")
        .str.replace(r"(:\d{2}(?:\.\d+)?)$", "${1}Z")
        .str.replace(r"Z$", "+0000")
    )
    parsed = whole.str.strptime(pl.Datetime("us", "UTC"), "%Y-%m-%dT%H:%M:%S%.f%z", strict=False)
    return pl.when(cell.str.contains(_ISO_8601)).then(parsed)


def _check(good: _Good, reason: str) -> pa.Check:
    return pa.Check(lambda data: data.lazyframe.select(good(pl.col(data.key))), error=reason)


def _column(*checks: pa.Check) -> pa.Column:
    return pa.Column(pl.String, list(checks))


def _filled() -> pa.Check:
    return _check(lambda cell: cell != "", "is empty")


def _at_most(chars: int) -> pa.Check:
    return _check(lambda cell: cell.str.len_chars() <= chars, f"has more than {chars:,} characters")


def _one_of(name: str, allowed: tuple[str, ...], want: str = "") -> pa.Check:
    return _check(lambda cell: cell.is_in(allowed), f"is not a {name} (want {want or ', '.join(allowed)})")


def _number(name: str, good: _Good, want: str) -> pa.Check:
    def is_number(cell: pl.Expr) -> pl.Expr:
        return cell.str.contains(_NUMBER) & good(cell.cast(pl.Float64, strict=False)).fill_null(False)

    return _check(is_number, f"is not a {name} (want {want})")


def _name() -> pa.Column:
    return _column(_filled(), _at_most(MAX_NAME_CHARS))


_REGION: Final = _column(_one_of("region", schema.REGIONS, "one of Peru's 25, written as in Áncash, La Libertad"))

_LABELS: Final = {
    "text": _column(_filled(), _at_most(schema.MAX_TEXT_CHARS)),
    "sentiment": _column(
        _check(
            lambda cell: cell.is_in(("", *schema.SENTIMENTS)),
            f"is not a sentiment (want {', '.join(schema.SENTIMENTS)})",
        )
    ),
    "tastes": _column(
        _check(
            lambda cell: cell.str.contains(rf"^{_TASTE}(?:\|{_TASTE})*$"),
            f"is not a set of tastes (want, joined by {schema.TASTE_SEPARATOR}: {', '.join(schema.TASTES)})",
        )
    ),
}

LABELS: Final = pa.DataFrameSchema(_LABELS)
"""What holds for any labelled file."""

FEEDBACK: Final = pa.DataFrameSchema(
    {
        **_LABELS,
        "feedback_id": _name(),
        "created_at": _column(
            _check(
                lambda cell: parse_time(cell).is_not_null(),
                "is not a date (want ISO-8601, such as 2025-07-28T13:05:00Z)",
            )
        ),
        "product": _name(),
        "category": _name(),
        "region": _REGION,
        "channel": _column(_one_of("channel", schema.CHANNELS)),
        "rating": _column(_check(lambda cell: cell.is_in(_RATINGS), "is not a rating (want 1 to 5, or nothing)")),
    }
)
"""The contract of a feedback row."""

MARKET: Final = pa.DataFrameSchema(
    {
        "date": _column(
            _check(
                lambda cell: cell.str.contains(r"^.{10}$") & parse_time(cell).is_not_null(),
                "is not a day (want ISO-8601, such as 2025-07-28)",
            )
        ),
        "product": _name(),
        "region": _REGION,
        "search_index": _column(_number("search index", lambda value: value <= 100, "0 to 100")),
        "units_sold": _column(_number("number of units", lambda value: value == value.floor(), "a whole number")),
        "price_pen": _column(_number("price", lambda value: value > 0, "soles above 0")),
    }
)
"""The contract of a market row."""


def find_failures(frame: pl.DataFrame, rules: pa.DataFrameSchema) -> pl.DataFrame:
    """Checks every cell.

    Args:
        frame: text cells; has the columns of the rules, and may have others.
        rules: one of the schemas above.

    Returns:
        `index` (of the row, from 0), `column`, `reason`; in the order of rows, then of columns.
    """
    try:
        rules.validate(frame, lazy=True)
    except SchemaErrors as error:
        found = error.failure_cases.select(pl.col("index").cast(pl.Int64), "column", reason=pl.col("check"))
        return found.unique(maintain_order=True).sort("index", "column", maintain_order=True)
    return pl.DataFrame(schema={"index": pl.Int64, "column": pl.String, "reason": pl.String})


def columns_of(rules: pa.DataFrameSchema) -> Sequence[str]:
    """The columns that the rules look at."""
    return list(rules.columns)
