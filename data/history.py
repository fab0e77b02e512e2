"""What was known when: figures of entities as they stood each time that something about them became known.

Rows have two times: when a thing happened (`at`) and from when on it is known (`known_at`, never before `at`). A figure
of a moment is computed once for all that was ever known of it, and again for each state of knowledge before that, as
far as rows came late. Reading the newest version with `event_timestamp` and `created_timestamp` at or before a moment
gives what could be known then.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

AT: Final = "at"
KNOWN_AT: Final = "known_at"
FIRST_KNOWN: Final = "first_known_at"
LAST_KNOWN: Final = "last_known_at"
EVENT_TIMESTAMP: Final = "event_timestamp"
CREATED_TIMESTAMP: Final = "created_timestamp"

_MOMENT: Final = "moment"
_FROM: Final = "from"
_TO: Final = "to"
_MOMENTS_AT_ONCE: Final = 64

Accumulate = Callable[[pl.DataFrame, Sequence[str]], pl.DataFrame]
"""From contributions and the columns of an entity to figures: a row for each entity and `at`, with `FIRST_KNOWN` (when
a contribution of that very moment was first known) and `LAST_KNOWN` (when the last of all that count was)."""


def versions(
    contributions: pl.DataFrame, keys: Sequence[str], accumulate: Accumulate, reach: timedelta | None
) -> pl.DataFrame:
    """All versions of all figures.

    Args:
        contributions: the keys, `AT`, `KNOWN_AT` (both UTC, microseconds), and what is accumulated.
        keys: columns of the entity.
        accumulate: makes figures of contributions.
        reach: how long before its moment a figure looks; None for always.

    Returns:
        The keys, the figures, `EVENT_TIMESTAMP` and `CREATED_TIMESTAMP`. Versions of the same moment are a microsecond
        apart in `EVENT_TIMESTAMP`, so that the newest is one and the same for every store; never after they are known.
    """
    final = accumulate(contributions, keys)
    found = [final, *_superseded(final, contributions, keys, accumulate, reach)]
    whole = pl.concat(found).sort(*keys, AT, LAST_KNOWN)
    number = pl.int_range(pl.len()).over(*keys, AT) if len(found) > 1 else pl.lit(0)
    stamped = whole.with_columns(
        (pl.col(AT) + pl.duration(microseconds=number)).alias(EVENT_TIMESTAMP),
        pl.col(LAST_KNOWN).alias(CREATED_TIMESTAMP),
    )
    return stamped.drop(AT, FIRST_KNOWN, LAST_KNOWN)


def _superseded(
    final: pl.DataFrame,
    contributions: pl.DataFrame,
    keys: Sequence[str],
    accumulate: Accumulate,
    reach: timedelta | None,
) -> Iterator[pl.DataFrame]:
    """The versions before the final ones: what was known at each moment at which something came late."""
    revised = final.filter(pl.col(FIRST_KNOWN) < pl.col(LAST_KNOWN)).select(*keys, AT, FIRST_KNOWN, LAST_KNOWN)
    span = pl.col(KNOWN_AT).is_between(revised[FIRST_KNOWN].min(), revised[LAST_KNOWN].max(), closed="left")
    moments = contributions.filter(span).select(pl.col(KNOWN_AT).unique().sort().alias(_MOMENT))
    for batch in moments.iter_slices(_MOMENTS_AT_ONCE):
        due = revised.join_where(
            batch, pl.col(FIRST_KNOWN) <= pl.col(_MOMENT), pl.col(LAST_KNOWN) > pl.col(_MOMENT)
        ).drop(FIRST_KNOWN, LAST_KNOWN)
        if due.is_empty():
            continue
        near = contributions.filter(pl.col(KNOWN_AT) <= batch[_MOMENT].max(), pl.col(AT) <= due[AT].max())
        # Each moment's knowledge of an entity is summed up as if it were an entity of its own.
        spans = due.group_by(*keys, _MOMENT).agg(pl.col(AT).min().alias(_FROM), pl.col(AT).max().alias(_TO))
        known = spans.join(near, on=list(keys)).filter(pl.col(KNOWN_AT) <= pl.col(_MOMENT), pl.col(AT) <= pl.col(_TO))
        if reach is not None:
            known = known.filter(pl.col(AT) > pl.col(_FROM) - reach)
        then = accumulate(known.drop(_FROM, _TO), [*keys, _MOMENT])
        changed = then.filter(pl.col(LAST_KNOWN) == pl.col(_MOMENT))
        yield changed.join(due, on=[*keys, AT, _MOMENT], how="semi").drop(_MOMENT)


def newest(history: pl.DataFrame, keys: Sequence[str], now: datetime) -> pl.DataFrame:
    """The version of each entity that is read at the moment `now`."""
    known = history.filter(pl.col(EVENT_TIMESTAMP) <= now, pl.col(CREATED_TIMESTAMP) <= now)
    return known.sort(EVENT_TIMESTAMP).unique(subset=list(keys), keep="last", maintain_order=True).sort(*keys)
