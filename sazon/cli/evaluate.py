"""`sazon evaluate`: measure a registered version on a labelled file."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def evaluate(
    data: Annotated[Path, typer.Option(help="Labelled feedback: CSV, JSON lines or Parquet.")],
    model: Annotated[
        str | None, typer.Option(help="models:/taste/N or models:/taste@alias; the newest version by default.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="Rows to measure where the file has a `split` column: test, eval, train, all.")
    ] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print macro-F1, accuracy, figures per class and per taste, with 95% intervals."""
    from data.validation import read_feedback
    from sazon.registry import Registry
    from sazon.settings import load_settings

    settings = load_settings()
    rows = read_feedback(data)
    if split != "all" and "split" in rows and (rows["split"] != "").any():
        rows = rows[rows["split"] == split].reset_index(drop=True)
    if not (rows["sentiment"] != "").any() and not rows["tastes"].notna().any():
        from sazon.errors import DataError

        raise DataError(f"{data.name}: no labelled row of split {split}, nothing to measure")
    registry = Registry(settings.tracking_uri)
    version = registry.resolve(model)
    saved_model = registry.download(version)

    from models.evaluation import evaluate as measure
    from models.saved_model import SavedTasteModel

    answers = SavedTasteModel(saved_model).predict(list(rows["text"]))
    rows = rows.assign(
        tastes_labelled=rows["tastes"].notna().astype(int), tastes=rows["tastes"].map(lambda labels: labels or ())
    )
    report = measure(rows, answers).as_dict()
    if as_json:
        typer.echo(json.dumps(_summary(version.uri, len(rows), report), ensure_ascii=False))
    else:
        typer.echo(_for_people(version.uri, report))


def _summary(uri: str, rows: int, report: dict[str, Any]) -> dict[str, Any]:
    sentiment = report["sentiment"]
    return {
        "model": uri,
        "rows": rows,
        "macro_f1": sentiment["macro_f1"]["value"] if sentiment else None,
        "accuracy": sentiment["accuracy"]["value"] if sentiment else None,
        "per_class": sentiment["per_class"] if sentiment else {},
        "sentiment": sentiment,
        "tastes": report["tastes"],
        "slices": report["slices"],
    }


def _for_people(uri: str, report: dict[str, Any]) -> str:
    from sazon.cli.tables import comparison

    lines = [comparison({uri.removeprefix("models:/"): report}), ""]
    for part, key in (("sentiment", "per_class"), ("tastes", "per_label")):
        if report[part]:
            shown = (f"{name} {'–' if score is None else f'{score:.3f}'}" for name, score in report[part][key].items())
            lines.append(f"F1 {part}: " + " · ".join(shown))
    return "\n".join(lines)
