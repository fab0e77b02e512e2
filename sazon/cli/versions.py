"""`sazon versions`: what is in the registry."""

import json
from typing import Annotated

import typer


def versions(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List registered versions with verdict and aliases, newest first."""
    from sazon.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
    from sazon.settings import load_settings

    settings = load_settings()
    registry = Registry(settings.tracking_uri) if _registry_exists(settings) else None
    known = registry.versions() if registry else []
    aliases: dict[int, list[str]] = {}
    for alias in (CHAMPION, PREVIOUS, CHALLENGER):
        holder = registry.with_alias(alias) if registry and known else None
        if holder:
            aliases.setdefault(holder.number, []).append(alias)
    if as_json:
        listed = [{**vars(version), "aliases": aliases.get(version.number, [])} for version in known]
        typer.echo(json.dumps(listed, ensure_ascii=False))
        return
    if not known:
        typer.echo("no version is registered yet (train one: sazon train --data FILE)")
    for version in known:
        marks = ", ".join(aliases.get(version.number, []))
        typer.echo(f"{version.number:>4}  {version.status:<9} {marks:<22} {version.reason}")


def _registry_exists(settings: object) -> bool:
    """Asking must not make a database."""
    from sazon.settings import Settings

    assert isinstance(settings, Settings)
    return bool(settings.mlflow.tracking_uri) or settings.state.mlflow_db.exists()
