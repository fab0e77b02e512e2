"""`sazon models`: take a registered version out in another format."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Take registered models out.", no_args_is_help=True)


class Format(StrEnum):
    """What a model can be taken out as."""

    TRANSFORMERS = "transformers"
    SAVEDMODEL = "savedmodel"
    ONNX = "onnx"


class Products(StrEnum):
    """Number format of matrix products in a SavedModel."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


@app.command("export")
def export(
    version: Annotated[str, typer.Argument(help="Number, alias, models:/taste/N or models:/taste@alias.")],
    format_: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.TRANSFORMERS,
    out: Annotated[Path | None, typer.Option(help="Folder to make; default: taste-VERSION-FORMAT here.")] = None,
    precision: Annotated[
        Products, typer.Option(help="Of a savedmodel: int8 for x86 CPUs, bfloat16 for GPUs and for CPUs that have it.")
    ] = Products.FLOAT32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a version as transformers checkpoints (one a task), SavedModel, or ONNX with its tokeniser."""
    from sazon.errors import UserError
    from sazon.registry import Registry
    from sazon.settings import load_settings

    registry = Registry(load_settings().tracking_uri)
    found = registry.resolve(_uri(version))
    folder = out or Path(f"taste-{found.number}-{format_.value}")
    if folder.exists():
        raise UserError(f"{folder} exists already: name a new folder with --out, or remove it")
    checkpoint = registry.download_checkpoint(found)

    from models.export.interchange import write_format

    write_format(checkpoint, folder, format_.value, precision.value)
    if as_json:
        typer.echo(json.dumps({"model": found.uri, "format": format_.value, "folder": str(folder)}))
    else:
        typer.echo(f"{found.uri} written as {format_.value} to {folder}")


def _uri(version: str) -> str:
    if version.startswith("models:"):
        return version
    return f"models:/taste/{version}" if version.isdigit() else f"models:/taste@{version.removeprefix('@')}"
