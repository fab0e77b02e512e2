"""`sazon doctor`: do registry, served directory, model servers, traffic file and rollout state agree?"""

import json
from typing import Annotated

import typer

from sazon.errors import SazonError, ServingError
from sazon.logging import get_logger

_LOG = get_logger("doctor")


def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Make them agree with the registry's champion.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that all places name the same champion; exit 1 while something is left to do."""
    from sazon.registry import Registry
    from sazon.settings import load_settings
    from serving.rollout.doctor import examine
    from serving.rollout.store import RolloutStore
    from serving.rollout.workplace import Workplace

    settings = load_settings()
    if not settings.mlflow.tracking_uri and not settings.state.mlflow_db.exists():
        raise ServingError("no model is registered yet (train one: sazon train --data FILE)")
    store = RolloutStore(settings.state.rollouts)
    place = Workplace.of(settings, Registry(settings.tracking_uri), lambda text: _LOG.info("%s", text))
    lines = []
    with store.control():
        for finding in examine(place, store):
            state = "found"
            if repair and finding.repair is not None:
                try:
                    finding.repair()
                    state = "repaired"
                except (SazonError, OSError) as error:
                    state = f"not repaired: {error}"
            lines.append({"place": finding.place, "problem": finding.problem, "state": state})
    if as_json:
        typer.echo(json.dumps(lines, ensure_ascii=False))
    else:
        for line in lines:
            typer.echo(f"{line['place']:<9} {line['problem']}: {line['state']}")
        if not lines:
            typer.echo("all agree")
    if any(line["state"] != "repaired" for line in lines):
        raise typer.Exit(1)
