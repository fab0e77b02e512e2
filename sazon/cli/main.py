"""Entry of the `sazon` command: subcommands, and how errors reach a person."""

import logging
import sys
from typing import Annotated

import typer

from sazon import __version__
from sazon.cli import (
    data,
    doctor,
    drift,
    evaluate,
    features,
    ingest,
    label,
    lineage,
    models,
    pipeline,
    pretrain,
    rollout,
    serve,
    sweep,
    train,
    up,
    versions,
)
from sazon.errors import DataError, SazonError
from sazon.logging import configure_logging
from sazon.quiet import quiet_libraries

app = typer.Typer(
    name="sazon",
    help="Train, register, roll out and serve models of consumer taste.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.add_typer(features.app, name="features")
app.add_typer(label.app, name="label")
app.add_typer(models.app, name="models")
app.add_typer(pipeline.app, name="pipeline")
app.add_typer(rollout.app, name="rollout")
app.command("up")(up.up)
app.command("ingest")(ingest.ingest)
app.command("pretrain")(pretrain.pretrain)
app.command("train")(train.train)
app.command("sweep")(sweep.sweep)
app.command("evaluate")(evaluate.evaluate)
app.command("lineage")(lineage.lineage)
app.command("drift")(drift.drift)
app.command("doctor")(doctor.doctor)
app.command("versions")(versions.versions)
app.command("serve", context_settings=serve.SERVE_CONTEXT)(serve.serve)
app.command("app")(serve.gateway)
app.command("mlflow")(serve.mlflow)

_SHOWN_PROBLEMS = 20


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sazon {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="Begin each line on stderr with the time in UTC.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    configure_logging(logging.ERROR if quiet else logging.INFO, timestamps=timestamps)


def main() -> None:
    """Runs the command line. Exit codes: 0 done, 1 failed, 2 wrong input or use, 3 drift, 130 interrupted."""
    quiet_libraries()
    try:
        app()
    except SazonError as error:
        _show(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"error: {type(error).__name__}: {error} (sazon --debug … shows where)", err=True)
        sys.exit(1)


def _show(error: SazonError) -> None:
    """One line for a person; for data also the other bad cells, up to a limit."""
    typer.echo(f"error: {error}", err=True)
    if isinstance(error, DataError):
        for line in error.problems[1:_SHOWN_PROBLEMS]:
            typer.echo(f"       {line}", err=True)


if __name__ == "__main__":
    main()
