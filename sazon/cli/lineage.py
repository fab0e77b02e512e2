"""`sazon lineage`: from an answer, a version or some data back to where it came from."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipelines.lineage.chain import Chain

_PARAMETERS = (
    "encoder.layers",
    "encoder.hidden",
    "train.epochs",
    "train.batch_size",
    "train.learning_rate",
    "train.seed",
)
_WIDTH = 16


def lineage(
    name: Annotated[
        str, typer.Argument(help="Id of a prediction, version (number, alias or models:/taste/N), or digest of data.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Walk from an answer to model version, MLflow run, pipeline run, code revision, data, ingest batches."""
    from pipelines.lineage.chain import trace
    from sazon.settings import load_settings

    chain = trace(name, load_settings())
    if as_json:
        typer.echo(json.dumps(chain.as_dict(), ensure_ascii=False))
        return
    for label, line in _lines(chain):
        typer.echo(f"{label:<{_WIDTH}}{line}".rstrip())


def _lines(chain: "Chain") -> Iterator[tuple[str, str]]:
    """Pairs of label and text; the label of a line that goes on is empty."""
    if chain.prediction:
        yield "prediction", chain.prediction["id"]
        yield "", f"{chain.prediction['at']}, by version {chain.prediction['version']} as {chain.prediction['role']}"
    if chain.version:
        marks = f" ({', '.join(chain.version['aliases'])})" if chain.version["aliases"] else ""
        yield (
            "version",
            f"{chain.version['number']}{marks}, {chain.version['status']}, {chain.version['registered_at']}",
        )
        yield "", chain.version["reason"]
    if chain.run:
        yield "MLflow run", f"{chain.run['run_id']} in {chain.run['experiment']}, {chain.run['status'].lower()}"
        parameters = {key: chain.run["parameters"][key] for key in _PARAMETERS if key in chain.run["parameters"]}
        yield "", ", ".join(f"{key.partition('.')[2]} {value}" for key, value in parameters.items())
        yield "", ", ".join(f"{key} {value:.4g}" for key, value in chain.run["metrics"].items())
    yield from _pipeline_lines(chain)
    if chain.code:
        dirty = " with uncommitted changes" if chain.code["dirty"] else ""
        yield "code", f"{chain.code['revision']}{dirty}"
    if chain.data:
        yield from _data_lines(chain.data)
    if chain.used_by:
        yield "used by", f"versions {', '.join(map(str, chain.used_by.versions)) or 'none'}"
        for run in chain.used_by.runs:
            yield "", f"MLflow run {run}"
    for number, line in enumerate(chain.missing):
        yield ("" if number else "not found"), line


def _pipeline_lines(chain: "Chain") -> Iterator[tuple[str, str]]:
    if not chain.pipeline:
        return
    again = f", and {len(chain.pipeline.later)} later came to the same version" if chain.pipeline.later else ""
    yield "pipeline run", f"{chain.pipeline.name}{again}"
    for one in chain.pipeline.executions:
        took = f"{one.seconds:8.1f} s" if one.made_by is None else f"  from {one.made_by}"
        yield "", f"{one.name:<20} {one.state:<10}{took}"


def _data_lines(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    rows = "" if data["rows"] is None else f", {data['rows']:,} rows"
    yield "data", data["digest"]
    yield "", f"{', '.join(data['sources'])}, {data['bytes']:,} bytes{rows}, recorded {data['recorded_at']}"
    yield "", f"sazon data checkout {data['digest'][:16]}"
    for number, batch in enumerate(data["batches"]):
        told = (
            f"{batch['accepted']:,} rows of {batch['source']}, {batch['ingested_at']}"
            if batch["source"]
            else "not in the feedback store any more"
        )
        yield ("" if number else "ingest batches"), f"{batch['digest'][:16]}  {told}"
