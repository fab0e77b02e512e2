"""Any file of labelled texts: what a model can be measured on, whoever made it."""

from pathlib import Path

import pandas as pd

from data.reading import read_cells
from data.rules import LABELS
from data.validation import check_label_set, find_problems, refuse_problems, type_feedback, type_tastes
from sazon import schema
from sazon.errors import DataError


def read_labelled(path: Path) -> pd.DataFrame:
    """Reads a file with at least `text` and `sentiment`; one that follows the whole contract is checked in full.

    Returns:
        All columns of the file as str ("" = absent), with `tastes` as tuples and `tastes_labelled` 0 or 1.

    Raises:
        DataError: unreadable, without those columns, with other labels, or without any label.
    """
    table = read_cells(path)
    missing = [column for column in ("text", "sentiment") if column not in table]
    if missing:
        raise DataError(f"{path.name}: missing column {', '.join(missing)} (found: {', '.join(table.columns[:12])})")
    if set(schema.FEEDBACK_REQUIRED) <= set(table.columns):
        checked = type_feedback(table, path)
        rows = checked.join(table[table.columns.difference(checked.columns)])
    else:
        rows = _check_labels(table if "tastes" in table else table.assign(tastes=""), path)
    if not ((rows["sentiment"] != "") | rows["tastes"].notna()).any():
        raise DataError(f"{path.name}: no row has a sentiment or tastes, nothing to measure")
    return rows.assign(
        tastes_labelled=rows["tastes"].notna().astype(int), tastes=rows["tastes"].map(lambda labels: labels or ())
    )


def _check_labels(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    check_label_set(table, path.name)
    refuse_problems(find_problems(table, LABELS), path)
    return table.assign(tastes=type_tastes(table))
