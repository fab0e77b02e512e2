"""Checks that registry, served directory, model servers, traffic and rollout state agree; repairs what does not.

The registry's alias `champion` is what the others are held to: it moves last in a promotion but for the log.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sazon.errors import DamagedTraffic, ServingError
from sazon.home import remove_partials
from sazon.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from sazon.schema import MODEL_NAME
from serving.rollout.publishing import publish, retire, verify
from serving.rollout.server_control import AVAILABLE, hold
from serving.rollout.store import RolloutStore
from serving.rollout.workplace import Workplace, read_traffic
from serving.traffic import STABLE, Traffic


@dataclass(frozen=True)
class Finding:
    """Something that does not agree.

    Attributes:
        place: where: `registry`, `served`, `traffic`, `servers` or `rollout`.
        problem: what, and what a person can do where there is no repair.
        repair: makes it agree; None where a person has to.
    """

    place: str
    problem: str
    repair: Callable[[], object] | None = None


def examine(place: Workplace, store: RolloutStore) -> Iterator[Finding]:
    """Looks at everything, in the order of repairs: make each before asking for the next finding."""
    unfinished = store.unfinished()
    if unfinished is not None:
        # Half-way through, the places differ on purpose; only the controller knows how to go on.
        problem = f"version {unfinished.version} is in step {unfinished.step}: sazon rollout resume, or abort"
        yield Finding("rollout", problem)
        return
    registry = place.registry
    champion = registry.with_alias(CHAMPION)
    if champion is None:
        return
    yield from _check_registry(registry, champion.number)
    yield from _check_served(place, champion.number)
    yield from _check_traffic(place, champion.number)
    yield from _check_servers(place, champion.number)


def _check_registry(registry: Registry, champion: int) -> Iterator[Finding]:
    for alias in (PREVIOUS, CHALLENGER):
        holder = registry.with_alias(alias)
        if holder is not None and holder.number == champion:
            yield Finding(
                "registry",
                f"alias {alias} is on version {champion}, the champion",
                lambda alias=alias: registry.drop_alias(alias),  # type: ignore[misc]
            )


def _check_served(place: Workplace, champion: int) -> Iterator[Finding]:
    folder = place.settings.state.served / MODEL_NAME
    if any(folder.glob(".*.partial")):
        yield Finding("served", f"{folder}: leftovers of a killed process", lambda: remove_partials(folder))
    try:
        verify(folder / str(champion))
    except ServingError:
        problem = f"{folder / str(champion)}: the champion is missing or damaged"
        yield Finding("served", problem, lambda: _publish_again(place, champion))
    numbers = (int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.exists() else ()
    for number in sorted(numbers):
        if number > champion:
            problem = f"{folder / str(number)}: above the champion, a restarted model server would turn to it"
            yield Finding("served", problem, lambda path=folder / str(number): retire(path))  # type: ignore[misc]


def _check_traffic(place: Workplace, champion: int) -> Iterator[Finding]:
    if not _is_controlled(place):
        return
    wanted = Traffic(stable=champion)
    for document in place.traffic:
        try:
            found = read_traffic(document)
        except DamagedTraffic:
            problem = f"{document} is damaged"
        else:
            problem = f"{document} says {found or 'nothing'}, want version {champion} alone"
            if found == wanted:
                continue
        yield Finding("traffic", problem, lambda document=document: document.change(lambda _: wanted.as_text()))  # type: ignore[misc]


def _is_controlled(place: Workplace) -> bool:
    """Whether a rollout has ever said who answers."""
    with contextlib.suppress(DamagedTraffic):
        return any(read_traffic(document) is not None for document in place.traffic)
    return True


def _check_servers(place: Workplace, champion: int) -> Iterator[Finding]:
    servers, controlled = place.servers, _is_controlled(place)
    try:
        state = servers.states().get(champion)
        label = servers.labelled(STABLE)
    except ServingError as error:
        yield Finding("servers", f"{error}: start it, then ask the doctor again")
        return
    if state is None or state.state != AVAILABLE:
        shown = state.state if state else "unknown to a model server"
        yield Finding(
            "servers", f"version {champion} is {shown}", lambda: hold(servers, [champion], {STABLE: champion})
        )
    elif controlled and label != champion:
        problem = f"label {STABLE} leads to {label or 'nothing'}, want version {champion}"
        yield Finding("servers", problem, lambda: servers.assign(_kept(place, champion), {STABLE: champion}))


def _kept(place: Workplace, champion: int) -> list[int]:
    """The previous version stays warm, if it is."""
    previous = place.registry.with_alias(PREVIOUS)
    states = place.servers.states()
    warm = [previous.number] if previous and states.get(previous.number) and previous.number != champion else []
    return [*(number for number in warm if states[number].state == AVAILABLE), champion]


def _publish_again(place: Workplace, number: int) -> Path:
    version = place.registry.resolve(f"models:/{MODEL_NAME}/{number}")
    return publish(place.registry.download(version), number, place.settings.state.served)
