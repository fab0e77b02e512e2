"""`sazon ingest`: files into the store."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sazon.errors import UserError

if TYPE_CHECKING:
    from data.ingest.report import Report


def ingest(
    source: Annotated[Path | None, typer.Argument(help="File, folder, or - for standard input.")] = None,
    columns: Annotated[Path | None, typer.Option(help="YAML: the file's columns and values to the contract's.")] = None,
    market: Annotated[bool, typer.Option("--market", help="Market rows instead of feedback.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Take quarantined rows again, those mended.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Take whatever comes into the folder, until stopped.")] = False,
    near: Annotated[bool, typer.Option("--near/--no-near", help="Mark near duplicates.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take files of feedback (CSV, JSON lines, Parquet, Excel) into the store: repaired, checked, redacted, once."""
    from data.ingest.folders import ingest_all
    from data.ingest.mapping import Mapping
    from data.store import FeedbackStore, MarketStore
    from sazon.settings import load_settings

    home = load_settings().home.expanduser().resolve()
    store = MarketStore(home / "market") if market else FeedbackStore(home / "feedback")
    mapping = Mapping.read(columns, store.kind) if columns else Mapping()
    if source is None:
        raise UserError("nothing to ingest (want a file, a folder, or - for standard input)")
    reports = list(ingest_all(store, source, mapping, near=near))
    show(reports, as_json=as_json)
    if any(report.error for report in reports):
        raise typer.Exit(2)


def show(reports: "list[Report]", *, as_json: bool) -> None:
    """Prints what was done: figures of all files, then of each where there are several."""
    from data.ingest.report import COUNTS

    if not as_json:
        for report in reports:
            typer.echo(f"{report.source}: {report.error}" if report.error else report.describe())
        return
    total = {name: sum(report.counts[name] for report in reports) for name in COUNTS}
    several = {**total, "files": [report.as_dict() for report in reports]}
    typer.echo(json.dumps(reports[0].as_dict() if len(reports) == 1 else several, ensure_ascii=False))
