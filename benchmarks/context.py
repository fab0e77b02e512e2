"""What the context of a row brings beside its text; started by `benchmarks.quality --context`."""

import sys
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.quality import Rows, class_numbers, classify, fit_bert, interval_of
from benchmarks.report import describe_machine, keep, table
from data.context import CONTEXT
from models.evaluation.significance import compare
from sazon.schema import SENTIMENTS
from sazon.settings import TrainSettings

_WITHOUT, _TEXT, _BOTH = "trained without", "trained with, asked without", "trained with, asked with"
_NOTE = (
    "Macro-F1 of sentiment on all training rows, mean of {} seed(s), with the 95% bootstrap interval over test rows; "
    "p: paired approximate randomisation against the same preset trained without context, first seed. `context alone` "
    "is gradient boosting on the context, without any text. Hard texts name neither product nor region. All data are "
    "synthetic."
)

Predictions = dict[str, np.ndarray]


def compare_context(presets: list[str], rows: Rows, seeds: int, settings: TrainSettings) -> None:
    """Prints the table and keeps it as `context.md`."""
    runs: dict[tuple[str, str], list[Predictions]] = {("context alone", ""): [_context_alone(rows)]}
    for preset in presets:
        for seed in range(1, seeds + 1):
            for way, predictions in _both_ways(preset, rows, settings.model_copy(update={"seed": seed})).items():
                runs.setdefault((preset, way), []).append(predictions)
                print(_figures({(preset, way): runs[preset, way]}, rows)[0], file=sys.stderr, flush=True)
    figures = _figures(runs, rows)
    body = [[line["model"], line["way"], *(_cell(line.get(test)) for test in rows.tests)] for line in figures]
    text = f"{table(['model', 'context', *rows.tests], body)}\n\n{_NOTE.format(seeds)}"
    print(text)
    keep("context", text, {"machine": describe_machine("tensorflow-cpu", "keras"), "figures": figures})


def _both_ways(preset: str, rows: Rows, settings: TrainSettings) -> dict[str, Predictions]:
    """One training without context and one with it."""
    found: dict[str, Predictions] = {}
    for context in (False, True):
        chosen = settings.model_copy(update={"context": context})
        with fit_bert(preset, rows.train, rows.held_out, rows.tests, chosen) as (engine, stores):
            found[_TEXT if context else _WITHOUT] = {name: classify(engine, store) for name, store in stores.items()}
            if context:
                found[_BOTH] = {
                    name: classify(engine, store, with_context=True)
                    for name, store in stores.items()
                    if store.context is not None
                }
    return found


def _context_alone(rows: Rows) -> Predictions:
    """How much of the sentiment the context tells by itself."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    labelled = rows.train[rows.train["sentiment"] != ""]
    model = HistGradientBoostingClassifier(class_weight="balanced", max_iter=50, random_state=0)
    model.fit(_context(labelled), class_numbers(labelled["sentiment"]))
    return {name: model.predict(_context(part)) for name, part in rows.tests.items() if CONTEXT[0] in part}


def _context(rows: pd.DataFrame) -> np.ndarray:
    return rows[list(CONTEXT)].to_numpy(np.float32)


def _figures(runs: dict[tuple[str, str], list[Predictions]], rows: Rows) -> list[dict[str, Any]]:
    figures = []
    for (model, way), predictions in runs.items():
        line: dict[str, Any] = {"model": model, "way": way}
        for name in predictions[0]:
            truth = class_numbers(rows.tests[name]["sentiment"])
            line[name] = vars(interval_of(truth, [one[name] for one in predictions]))
            if (model, _WITHOUT) in runs and way != _WITHOUT:
                other = runs[model, _WITHOUT][0][name]
                line[name] |= {"p": compare(truth, predictions[0][name], other, len(SENTIMENTS)).p_value}
        figures.append(line)
    return figures


def _cell(cell: dict[str, float] | None) -> str:
    if cell is None:
        return "–"
    shown = f"{cell['value']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]"
    return f"{shown} (p {cell['p']:.3f})" if "p" in cell else shown
