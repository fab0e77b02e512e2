"""`sazon drift`: whether live feedback still looks like what was trained on."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sazon.errors import UserError

if TYPE_CHECKING:
    import polars as pl

    from data.drift.comparison import Comparison
    from sazon.settings import Settings

DRIFTED = 3
"""Exit code when drift was found."""


def drift(
    reference: Annotated[
        Path | None, typer.Option(help="File trained on; default: what a training last began on, or else the store.")
    ] = None,
    live: Annotated[Path | None, typer.Option(help="File of live rows; default: the store's last days.")] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Days of the store that are live; setting: 14.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="Write an HTML page with plots.")] = None,
) -> None:
    """Compare the training window with the live one. Exit codes: 0 no drift, 3 drift, 2 wrong input."""
    from data.drift.comparison import compare
    from data.drift.page import render_page
    from data.drift.windows import apart
    from sazon.home import write_atomically
    from sazon.settings import load_settings

    if live is not None and window is not None:
        raise UserError("--window is of the store (want either --live or --window)")
    settings = load_settings()
    days = window or settings.drift.window_days
    names, before, after = _read(settings, reference, live, days)
    before = apart(before, after)
    found = compare(before, after, settings.drift)
    if report is not None:
        write_atomically(report, render_page(found, names))
    retraining = _retrain(settings, found)
    if as_json:
        typer.echo(json.dumps({**found.as_dict(), "retraining": retraining}, ensure_ascii=False))
    else:
        _show(found, names, retraining)
    if found.drifted:
        raise typer.Exit(DRIFTED)


def _read(
    settings: "Settings", reference: Path | None, live: Path | None, days: int
) -> "tuple[tuple[str, str], pl.DataFrame, pl.DataFrame]":
    from data.drift.windows import live_window, read_window, rows_before
    from data.store import FeedbackStore

    store = FeedbackStore(settings.state.feedback)
    live_name = str(live) if live else f"the store's last {days} days"
    after = read_window(live) if live else live_window(store, days)
    if reference is not None:
        return (str(reference), live_name), read_window(reference), after
    if recorded := _read_recorded(settings):
        return (recorded[0], live_name), recorded[1], after
    if live is not None:
        raise UserError("nothing was trained on yet to compare with (want --reference FILE)")
    return ("the store before those days", live_name), rows_before(store, days), after


def _read_recorded(settings: "Settings") -> "tuple[str, pl.DataFrame] | None":
    from data.drift.windows import read_window
    from data.versions import Versions

    versions = Versions(settings.state.versions, settings.data.remote)
    trained = [version for version in versions.all() if version.trained_at]
    newest = max(trained, key=lambda version: version.trained_at, default=None)
    if newest is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / newest.sources[-1]
        versions.checkout(newest, target)
        return f"{target.name} ({newest.digest[:12]})", read_window(target)


def _retrain(settings: "Settings", found: "Comparison") -> str | None:
    from data.drift.retraining import retrain

    order = settings.drift
    if not (found.drifted and order.retrain):
        return None
    return retrain(settings.state.drift, order.retrain, order.cooldown_h, order.retrain_rows, found.live_rows)


def _show(found: "Comparison", names: tuple[str, str], retraining: str | None) -> None:
    from data.drift.page import describe_change

    typer.echo(f"training: {names[0]}, {found.reference_rows:,} rows; live: {names[1]}, {found.live_rows:,} rows")
    for one in found.drifted:
        typer.echo(f"drift in {one.name} (p {one.adjusted_p:.1g}, effect {one.effect:.3f}): {describe_change(one)}")
    if not found.drifted:
        typer.echo(f"no drift in {len(found.findings)} tests")
    for line in found.skipped:
        typer.echo(f"not tested: {line}")
    if found.synthetic_rows:
        typer.echo(f"synthetic: {found.synthetic_rows:,} of {found.reference_rows + found.live_rows:,} rows")
    if retraining:
        typer.echo(f"retraining {retraining}")
