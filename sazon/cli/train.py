"""`sazon train`: run the pipeline on a labelled file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipelines.run_local import RunResult


def train(
    data: Annotated[Path, typer.Option(help="Labelled feedback: CSV, JSON lines, Parquet or Excel.")],
    preset: Annotated[
        str | None, typer.Option(help="Encoder: tiny, small, a directory in transformers format, or a hub id.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and dropout.")] = None,
    experiment: Annotated[str | None, typer.Option(help="MLflow experiment.")] = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Reuse steps whose inputs are unchanged.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Validate, train, judge, register and, if blessed, roll out a model."""
    from pipelines.run_local import run_local
    from sazon.settings import load_settings

    chosen = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    given = {name: value for name, value in chosen.items() if value is not None}
    if epochs:
        given["least_steps"] = 0  # so many and no more
    settings = load_settings(
        preset=preset, train=given or None, mlflow={"experiment": experiment} if experiment else None
    )
    result = run_local(data, settings, use_cache=cache)
    typer.echo(json.dumps(as_dict(result), ensure_ascii=False) if as_json else _for_people(result))


def as_dict(result: "RunResult") -> dict[str, Any]:
    """The result as JSON holds it."""
    figures = result.figures["candidate"]
    return {
        "version": result.version,
        "model_uri": f"models:/taste/{result.version}",
        "status": result.status,
        "reason": result.reason,
        "rolled_out": result.rolled_out,
        "run_id": result.run_id,
        "data": {"digest": result.dataset.digest, "source": result.dataset.source, "rows": result.dataset.rows},
        "macro_f1": figures["sentiment"]["macro_f1"]["value"],
        "accuracy": figures["sentiment"]["accuracy"]["value"],
        "figures": {"taste": figures, **result.figures["baselines"]},
        "steps": [vars(step) for step in result.steps],
    }


def _for_people(result: "RunResult") -> str:
    from sazon.cli.tables import comparison

    table = comparison({"BERT": result.figures["candidate"], **result.figures["baselines"]})
    served = "rolled out" if result.rolled_out else "not rolled out"
    return f"{table}\nversion {result.version} {result.status}, {served}: {result.reason}"
