"""`sazon evaluate`: measure a registered version on a labelled file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import pandas as pd

    from models.evaluation.baselines import Classifier
    from sazon.registry import Registry


def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            help="CSV, JSON lines, Parquet or Excel with at least text and sentiment (empty: not labelled); tastes are "
            "measured and source, region, channel, category and phenomenon sliced by where they are columns."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="models:/taste/N or models:/taste@alias; the newest version by default.")
    ] = None,
    split: Annotated[
        Literal["test", "eval", "train", "all"],
        typer.Option(help="Rows to measure where the file has a `split` column."),
    ] = "test",
    against: Annotated[
        str | None,
        typer.Option(
            help="Test the difference in macro-F1 to another model on the same rows: models:/taste/N, "
            "models:/taste@alias, or a baseline fitted on the file of --train: tfidf_logistic, random_forest."
        ),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(help="Labelled file to fit the baseline of --against on (split train, where it has splits)."),
    ] = None,
    errors: Annotated[int, typer.Option(min=0, help="Show so many of the worst confident mistakes.")] = 0,
    behaviour: Annotated[bool, typer.Option("--behaviour", help="Run the behavioural tests and hard texts too.")] = (
        False
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print macro-F1, accuracy, calibration, figures per class, taste and slice, with 95% intervals."""
    from data.labelled import read_labelled
    from sazon.errors import DataError
    from sazon.registry import Registry
    from sazon.settings import load_settings

    rows = _of_split(read_labelled(data), split, data.name)
    registry = Registry(load_settings().tracking_uri)
    version = registry.resolve(model)
    if against and not (rows["sentiment"] != "").any():
        raise DataError(f"{data.name}: no sentiment is labelled, --against has nothing to compare")
    other = _rival(against, train, registry) if against else None

    from models.evaluation import measurement
    from models.evaluation.behaviour import measure_behaviour
    from models.evaluation.error_analysis import worst_mistakes
    from models.export.saved_model import SavedTasteModel, TrainingRecord

    folder = registry.download(version)
    classifier, temperature = SavedTasteModel(folder), TrainingRecord.read(folder).temperature
    texts = list(rows["text"])
    answers = classifier.predict(texts)
    report = measurement.evaluate(rows, answers, temperature).as_dict()
    result = {"model": version.uri, "rows": len(rows), **_headline(report), **report}
    if other:
        compared = measurement.compare_sentiment(rows, answers.sentiment, other.predict(texts).sentiment)
        result["comparison"] = {"against": against, **asdict(compared)}
    if errors:
        result["mistakes"] = worst_mistakes(rows, answers, errors).to_dict("records")
    if behaviour:
        result["behaviour"] = measure_behaviour(classifier, temperature).as_dict()
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else _for_people(result))


def _of_split(rows: "pd.DataFrame", split: str, name: str) -> "pd.DataFrame":
    """The labelled rows of a split, or of the whole file where it knows no splits."""
    from sazon.errors import DataError

    if split != "all" and "split" in rows and (rows["split"] != "").any():
        rows = rows[rows["split"] == split].reset_index(drop=True)
    if not ((rows["sentiment"] != "") | (rows["tastes_labelled"] == 1)).any():
        raise DataError(f"{name}: no labelled row of split {split} (all rows: --split all)")
    return rows


def _rival(against: str, train: Path | None, registry: "Registry") -> "Classifier":
    """The model to compare with, loaded or fitted."""
    from data.labelled import read_labelled
    from models.evaluation.baselines import BASELINES, Baseline
    from models.export.saved_model import SavedTasteModel
    from sazon.errors import DataError, UserError

    if against not in BASELINES:
        return SavedTasteModel(registry.download(registry.resolve(against)))
    if train is None:
        raise UserError(f"--against {against} needs labelled rows to fit it on: --train FILE")
    rows = _of_split(read_labelled(train), "train", train.name)
    found = set(rows["sentiment"]) - {""}
    if len(found) < 2:
        raise DataError(f"{train.name}: one class only ({', '.join(found) or 'none'}); two sentiments are needed")
    return Baseline(against).fit(rows)


def _headline(report: dict[str, Any]) -> dict[str, Any]:
    sentiment = report["sentiment"]
    return {
        "macro_f1": sentiment["macro_f1"]["value"] if sentiment else None,
        "accuracy": sentiment["accuracy"]["value"] if sentiment else None,
        "per_class": sentiment["per_class"] if sentiment else {},
    }


def _for_people(result: dict[str, Any]) -> str:
    from sazon.cli import tables

    parts = [tables.comparison({result["model"].removeprefix("models:/"): result}), tables.details(result)]
    if "comparison" in result:
        parts.append(tables.paired_test(result["comparison"]))
    if "behaviour" in result:
        parts.append(tables.behaviour(result["behaviour"]))
    if "mistakes" in result:
        parts.append(tables.mistakes(result["mistakes"]))
    return "\n\n".join(parts)
