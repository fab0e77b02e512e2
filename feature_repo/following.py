"""Values that change with every row, brought online as soon as rows are ingested."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock

from data.figures import latest_history
from data.history import newest
from data.measures import measure_feedback
from feature_repo.definitions import LATEST_VIEW, view_keys
from feature_repo.materialisation import LOCK
from feature_repo.online import OnlineState, bring_up_to_date
from feature_repo.status import note
from sazon.settings import FeatureSettings


def push(store: Any, feedback: pl.LazyFrame, since: datetime | None, folder: Path, settings: FeatureSettings) -> int:
    """Pushes the latest figures of every product and region that new rows are about.

    Args:
        store: Feast, with everything declared.
        feedback: all rows, as for `data.measures.measure_feedback`, with `ingested_at`.
        since: rows ingested after it are new; None: all are.
        folder: of the store.
        settings: which stores.

    Returns:
        How many keys were written.
    """
    keys = view_keys(LATEST_VIEW)
    if since is not None:
        touched = feedback.filter(pl.col("ingested_at") > since).select(keys).unique()
        feedback = feedback.join(touched, on=list(keys), how="semi")
    with FileLock(folder / LOCK):
        values = newest(latest_history(measure_feedback(feedback), keys), keys, datetime.now(UTC))
        if values.is_empty():
            return 0
        change = bring_up_to_date(store, OnlineState(folder, settings), LATEST_VIEW, values, whole=False)
        note(folder, LATEST_VIEW, change.keys, values)
    return change.written
