"""`sazon rollout`: bring a version to all requests step by step, watch it, stop it, go back."""

import getpass
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sazon.errors import RolloutRunning, ServingError, UserError
from sazon.logging import get_logger

if TYPE_CHECKING:
    from sazon.settings import Settings
    from serving.rollout.controller import Controller
    from serving.rollout.store import Rollout, RolloutStore

_LOG = get_logger("rollout")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides this; the user of this process by default.")]


class _VersionOrCommand(TyperGroup):
    """`sazon rollout 7` is `sazon rollout start 7`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, ["start", *args] if args and args[0].isdigit() else args)


app = typer.Typer(
    cls=_VersionOrCommand,
    help="Roll a version out (sazon rollout VERSION), watch it, stop it, go back.",
    no_args_is_help=True,
)


@app.command()
def start(
    version: Annotated[int, typer.Argument(help="Number in the registry.")],
    canary: Annotated[
        list[float] | None,
        typer.Option(
            min=0,
            max=100,
            help="Percent of requests of a step, repeatable; the last of rollout.steps (95) follows by itself.",
        ),
    ] = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Verify, load, replay, shadow, canary, promote; goes on where a killed rollout of this version was."""
    settings = _settings(canary)
    store = _store(settings)
    with store.control():
        controller = _controller(settings, store)
        unfinished = store.unfinished()
        if unfinished is not None and unfinished.version != version:
            raise UserError(
                f"version {unfinished.version} is being rolled out: sazon rollout resume, or sazon rollout abort"
            )
        _finish(controller, unfinished or controller.begin(version, by or _user()), as_json)


@app.command()
def status(as_json: Json = False) -> None:
    """Where the current or last rollout stands, and who answers."""
    from serving.rollout.workplace import connect, describe, read_traffic, traffic_documents
    from serving.traffic import Traffic

    settings = _settings()
    last = _store(settings).last()
    traffic = read_traffic(traffic_documents(settings, connect(settings))[0]) or Traffic()
    if as_json:
        typer.echo(json.dumps({"rollout": _as_dict(last), "traffic": asdict(traffic)}, ensure_ascii=False))
        return
    if last is None:
        typer.echo("no rollout yet (start one: sazon rollout VERSION)")
        return
    state = last.outcome or (f"paused in step {last.step}" if last.paused else f"in step {last.step}")
    typer.echo(f"version {last.version}, against {last.champion or 'none'}: {state}")
    detail = last.reason or str(last.work.get("waits", ""))
    if detail:
        typer.echo(f"  {detail}")
    typer.echo(f"  {describe(traffic)}")


@app.command()
def pause() -> None:
    """Stay in the step; a version that gets worse is rolled back all the same."""
    store, rollout = _unfinished()
    store.wish(rollout, paused=True)
    typer.echo(f"version {rollout.version} stays in step {rollout.step}")


@app.command()
def resume(as_json: Json = False) -> None:
    """Go on after a pause, or where a killed controller was."""
    store, rollout = _unfinished()
    if rollout.paused:
        store.wish(rollout, paused=False)
    try:
        with store.control():
            _finish(_controller(_settings(), store), rollout, as_json)
    except RolloutRunning:
        if not rollout.paused:
            raise
        typer.echo(f"version {rollout.version} goes on")  # the controller that runs sees it


@app.command()
def abort(by: By = None, as_json: Json = False) -> None:
    """Roll back."""
    store, rollout = _unfinished()
    store.wish(rollout, aborted_by=by or _user())
    try:
        with store.control():
            _finish(_controller(_settings(), store), rollout, as_json, wanted="rolled back")
    except RolloutRunning:
        typer.echo(f"version {rollout.version}: the process that rolls it out was told (see: sazon rollout status)")


@app.command()
def approve(by: By = None) -> None:
    """Let a rollout with `rollout.approval` take its last step."""
    from serving.rollout.controller import APPROVAL

    store, rollout = _unfinished()
    name, approvers = by or _user(), _settings().rollout.approvers
    if approvers and name not in approvers:
        raise UserError(f"{name} may not approve a rollout; rollout.approvers names {', '.join(approvers)}")
    if rollout.step != APPROVAL:
        later = "not yet" if APPROVAL in rollout.plan else "rollout.approval is off"
        raise UserError(f"version {rollout.version} is in step {rollout.step} and waits for no approval: {later}")
    store.wish(rollout, approved_by=name)
    typer.echo(f"version {rollout.version} may take its last step")


@app.command()
def rollback(by: By = None, as_json: Json = False) -> None:
    """Go back from the champion to the version before it, at once; goes on where a killed rollback was."""
    from serving.rollout.controller import aim
    from serving.rollout.store import Outcome

    settings = _settings()
    store = _store(settings)
    with store.control():
        controller = _controller(settings, store)
        rollout = store.unfinished()
        if rollout is None or aim(rollout) is not Outcome.REVERTED:
            rollout = controller.begin_rollback(by or _user())
        _finish(controller, rollout, as_json)


@app.command()
def history(as_json: Json = False) -> None:
    """Every transition, oldest first."""
    events = _store(_settings()).events()
    if as_json:
        typer.echo(json.dumps([asdict(event) for event in events], ensure_ascii=False))
        return
    for event in events:
        typer.echo(f"{event.at}  {event.rollout:>4}  {event.step:<12} {event.message}")


def _finish(controller: "Controller", rollout: "Rollout", as_json: bool, wanted: str | None = None) -> None:
    from serving.rollout.controller import aim

    ended = controller.run(rollout)
    if as_json:
        typer.echo(json.dumps(_as_dict(ended), ensure_ascii=False))
    if ended.outcome != (wanted or aim(ended)):
        raise ServingError(f"version {ended.version} was {ended.outcome}: {ended.reason}")
    if not as_json:
        typer.echo(f"version {ended.version}: {ended.outcome}")


def _settings(canary: list[float] | None = None) -> "Settings":
    from sazon.settings import load_settings

    if not canary:
        return load_settings()
    last = load_settings().rollout.steps[-1]
    return load_settings(rollout={"steps": sorted({percent / 100 for percent in canary} | {last})})


def _store(settings: "Settings") -> "RolloutStore":
    from serving.rollout.store import RolloutStore

    return RolloutStore(settings.state.rollouts)


def _controller(settings: "Settings", store: "RolloutStore") -> "Controller":
    from sazon.registry import Registry
    from serving.rollout.controller import Controller
    from serving.rollout.workplace import Workplace

    place = Workplace.of(settings, Registry(settings.tracking_uri), lambda text: _LOG.info("%s", text))
    return Controller(place, store)


def _unfinished() -> "tuple[RolloutStore, Rollout]":
    store = _store(_settings())
    rollout = store.unfinished()
    if rollout is None:
        raise UserError("no rollout is under way (start one: sazon rollout VERSION)")
    return store, rollout


def _as_dict(rollout: "Rollout | None") -> dict[str, Any] | None:
    if rollout is None:
        return None
    return {name: value for name, value in asdict(rollout).items() if name != "work"}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
