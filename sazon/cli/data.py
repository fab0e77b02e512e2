"""`sazon data`: make the sample, check a file."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Check and generate data.", no_args_is_help=True)

_LISTED = 50


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="CSV, JSON-lines or Parquet file of feedback.")],
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
    out: Annotated[Path, typer.Option(help="Folder for feedback.csv, market_trends.csv, planted_shifts.json.")],
    rows: Annotated[int, typer.Option(min=100, help="Generated rows, beside the written ones.")] = 6500,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 7,
) -> None:
    """Make the synthetic sample: generated feedback, the written texts, market trends, the planted shifts."""
    from data.sample import write_sample

    for path, count in write_sample(out, rows, seed).items():
        typer.echo(f"{path}: {count:,} {'rows' if path.suffix == '.csv' else 'planted shifts'}")
