"""`sazon data`: make the sample, check a file, bring back what a model was trained on."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from data.versions import Versions
    from sazon.settings import Settings

app = typer.Typer(help="Check, generate, version and export data.", no_args_is_help=True)

_LISTED = 50


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="CSV, JSON lines, Parquet or Excel file of feedback.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every row of a feedback file; exit 2 when one is bad."""
    from data.reading import read_cells
    from data.validation import check_columns, find_problems

    table = read_cells(file)
    check_columns(table, file.name)
    problems = find_problems(table)
    bad_rows = len({problem.row for problem in problems})
    if as_json:
        listed = [problem.as_dict() for problem in problems]
        typer.echo(json.dumps({"rows": len(table), "bad_rows": bad_rows, "problems": listed}, ensure_ascii=False))
    else:
        for problem in problems[:_LISTED]:
            typer.echo(problem.describe(file.name))
        if len(problems) > _LISTED:
            typer.echo(f"… and {len(problems) - _LISTED:,} more (all of them: --json)")
        typer.echo(f"{file.name}: {len(table):,} rows, {bad_rows:,} bad" if bad_rows else _all_good(file, len(table)))
    if problems:
        raise typer.Exit(2)


def _all_good(file: Path, rows: int) -> str:
    return f"{file.name}: {rows:,} rows, all good"


@app.command()
def generate(
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for feedback.csv, market_trends.csv, planted_shifts.json.")
    ],
    rows: Annotated[int, typer.Option(min=100, help="Generated rows, beside the written ones.")] = 6500,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 7,
) -> None:
    """Make the synthetic sample: generated feedback, the written texts, market trends, the planted shifts."""
    from data.sample import write_sample

    for path, count in write_sample(out, rows, seed).items():
        typer.echo(f"{path}: {count:,} {'rows' if path.suffix == '.csv' else 'planted shifts'}")


@app.command()
def versions(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the data that models were trained on, newest first, with the runs and versions that used it."""
    from pipelines.lineage.usage import read_usage
    from sazon.settings import load_settings

    settings = load_settings()
    known, usage = _versions(settings).all(), read_usage(settings)
    if as_json:
        listed = [{**asdict(version), **asdict(usage.of(version.digest))} for version in known]
        typer.echo(json.dumps(listed, ensure_ascii=False))
        return
    if not known:
        typer.echo("no data is recorded yet (sazon train records what it trains on)")
    for version in known:
        used = usage.of(version.digest)
        rows = "?" if version.rows is None else f"{version.rows:,}"
        models = ", ".join(str(number) for number in used.versions) or "none"
        typer.echo(
            f"{version.digest[:16]}  {version.recorded_at}  {rows:>10} rows  "
            f"{len(used.runs):>3} runs  versions: {models}  {', '.join(version.sources)}"
        )


@app.command()
def checkout(
    digest: Annotated[str, typer.Argument(help="SHA-256 of the file, or the first digits of it.")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: its first name here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring back the bytes that a model was trained on, from DVC's cache or remote."""
    from sazon.settings import load_settings

    store = _versions(load_settings())
    version = store.resolve(digest)
    target = out or Path(version.sources[0])
    store.checkout(version, target)
    if as_json:
        typer.echo(json.dumps({**asdict(version), "file": str(target)}, ensure_ascii=False))
    else:
        typer.echo(f"{target}: {version.bytes:,} bytes, SHA-256 {version.digest}")


@app.command()
def export(
    out: Annotated[Path, typer.Option(dir_okay=False, help="CSV to write; replaced if it is there.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the feedback store as a file to train on, and record it: lineage then names its ingest batches."""
    from data.export import export_feedback
    from data.labelling.book import LabelBook
    from data.store import FeedbackStore
    from sazon.settings import load_settings

    settings = load_settings()
    store, book = FeedbackStore(settings.state.feedback), LabelBook(settings.state.labelling)
    rows, batches = export_feedback(store, out, book)
    version = _versions(settings).record(out, rows=rows, batches=batches)
    if as_json:
        typer.echo(json.dumps({**asdict(version), "file": str(out)}, ensure_ascii=False))
    else:
        typer.echo(f"{out}: {rows:,} rows of {len(batches):,} batches, SHA-256 {version.digest}")


@app.command()
def push() -> None:
    """Bring recorded data to DVC's remote: after it was away, or another was set (data.remote)."""
    from sazon.settings import load_settings

    typer.echo(f"{_versions(load_settings()).push():,} files sent")


def _versions(settings: "Settings") -> "Versions":
    from data.versions import Versions

    return Versions(settings.state.versions, settings.data.remote)
