"""`sazon features`: bring them up to date, see how old they are, look one up."""

import json
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sazon.errors import UserError

if TYPE_CHECKING:
    from sazon.settings import Settings

app = typer.Typer(help="Features of products and regions: materialise, status, get.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_POLL_S = 1.0


@app.command()
def materialise(
    full: Annotated[bool, typer.Option("--full", help="Write all online values, not only those that changed.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on: push the latest figures as rows are ingested, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compute the features of all ingested rows; goes on where a killed call was."""
    settings = _settings()
    done = _materialise(settings, full)
    if as_json:
        typer.echo(json.dumps(done, ensure_ascii=False))
    else:
        typer.echo(_told(done))
    if follow:
        _follow(settings)


def _materialise(settings: "Settings", full: bool) -> dict[str, Any]:
    from data.store import FeedbackStore, MarketStore
    from feature_repo.materialisation import materialise_rows

    state = settings.state
    feedback, market = FeedbackStore(state.feedback), MarketStore(state.market)
    if not feedback.generation():
        raise UserError(f"{state.feedback}: no feedback yet (bring some in: sazon ingest FILE)")
    return materialise_rows(
        feedback.rows(), market.rows(), state.features, settings.features, everything=full, watch=_with_bar
    )


def _follow(settings: "Settings") -> None:
    """Pushes what changes with every row; when a day has ended, its figures are due too."""
    from data.store import FeedbackStore
    from feature_repo.following import push
    from feature_repo.materialisation import open_store

    folder = settings.state.features
    feedback, store = FeedbackStore(settings.state.feedback), open_store(folder, settings.features)
    seen, since, day = "", None, datetime.now(UTC).date()
    typer.echo("following ingested rows; Ctrl-C ends", err=True)
    while True:
        if (today := datetime.now(UTC).date()) != day:
            typer.echo(_told(_materialise(settings, full=False)), err=True)
            day = today
        if (current := feedback.generation()) != seen:
            newest = max(batch.ingested_at for batch in feedback.batches())
            written = push(store, feedback.rows(), since, folder, settings.features)
            seen, since = current, newest
            typer.echo(f"{written:,} pairs of product and region brought up to date", err=True)
        time.sleep(_POLL_S)


def _told(done: dict[str, Any]) -> str:
    return (
        f"{len(done['views'])} views, {done['keys']:,} products, regions and pairs up to {done['newest_at']}: "
        f"{done['written']:,} values written, {done['removed']:,} removed"
    )


@app.command()
def status(as_json: Json = False) -> None:
    """How many keys each view holds, and how old its newest value is."""
    from data.feature_status import read_status

    views = read_status(_settings().state.features)
    if as_json:
        typer.echo(json.dumps(views, ensure_ascii=False))
        return
    if not views:
        typer.echo("nothing materialised yet (do: sazon features materialise)")
        return
    typer.echo(f"{'view':<28}{'keys':>8}  {'newest value of':<20}materialised")
    for view, figures in views.items():
        newest_at, done_at = _shown(figures["newest_at"]), _shown(figures["materialised_at"])
        typer.echo(f"{view:<28}{figures['keys']:>8,}  {newest_at:<20}{done_at}")


@app.command()
def get(
    product: Annotated[str, typer.Option(help="Such as ceviche.")],
    region: Annotated[str, typer.Option(help="Such as Lima.")],
    price: Annotated[float | None, typer.Option(min=0, help="In soles, to compare with the mean price.")] = None,
    as_json: Json = False,
) -> None:
    """What the online store says of a product in a region now; – where nothing is known or it is too old."""
    values = _read(product, region, price)
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False))
        return
    width = max(map(len, values))
    for name, value in values.items():
        typer.echo(f"{name:<{width}}  {_cell(value)}")


def _read(product: str, region: str, price: float | None) -> dict[str, Any]:
    from feature_repo.lookup import look_up

    folder = _settings().state.features
    if not (folder / "feature_store.yaml").exists():
        raise UserError(f"{folder}: nothing materialised yet (do: sazon features materialise)")
    return look_up(folder, product, region, price, datetime.now(UTC))


def _settings() -> "Settings":
    from sazon.settings import load_settings

    return load_settings()


def _with_bar(views: list[str]) -> Iterable[str]:
    from tqdm import tqdm

    return tqdm(views, unit="view", leave=False, file=sys.stderr, disable=None)  # type: ignore[no-any-return]


def _shown(moment: str | None) -> str:
    return "–" if moment is None else moment[:16].replace("T", " ")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
