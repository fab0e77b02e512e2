"""The steps of a rollout but the judged ones; each may be killed anywhere and done again."""

import contextlib
import shutil
import time
from pathlib import Path
from typing import Any

from sazon.errors import ServingError
from sazon.registry import CHALLENGER, CHAMPION, PREVIOUS
from sazon.schema import MODEL_NAME
from serving.rollout.publishing import move_aliases, prune, publish, retire
from serving.rollout.replay import complaint, read_texts, replay
from serving.rollout.server_control import AVAILABLE, END, VersionState, hold
from serving.rollout.store import Rollout, now
from serving.rollout.verification import verify_apart
from serving.rollout.workplace import Failed, Passed, Result, Waiting, Workplace
from serving.traffic import CANARY, STABLE, Traffic

_MEMORY_SLACK_MIB = 64.0
"""Two loads of one model differ by so much."""


def verify(place: Workplace, rollout: Rollout) -> Result:
    """Fetches the version from the registry and proves, in another process, that it can be served."""
    place.tell("fetching the version")
    staged = publish(_download(place, rollout.version), rollout.version, _staging(place))
    champion = _served(place, rollout.champion) if rollout.champion else None
    place.tell("verifying it in a process of its own")
    figures = verify_apart(staged, champion if champion is not None and champion.is_dir() else None)
    limit = place.settings.rollout.memory_growth * figures.get("champion_memory_mib", 0.0) + _MEMORY_SLACK_MIB
    if "champion_memory_mib" in figures and figures["memory_mib"] > limit:
        return Failed(f"takes {figures['memory_mib']:.0f} MiB of memory, want at most {limit:.0f}", figures)
    return Passed("whole, with the signature, loads and answers", figures)


def load(place: Workplace, rollout: Rollout) -> Result:
    """Publishes the version and has the servers load it beside the champion, which alone answers.

    The servers are held to the champion before the directory appears: by default they would turn to it at once.
    """
    old, new, asked = rollout.champion, rollout.version, rollout.work.get("asked", False)
    labels = {} if old is None else {STABLE: old, CANARY: new}
    both = [number for number in (old, new) if number is not None]
    if not asked:
        if old is not None:
            place.route(Traffic(stable=old))
            place.tell(f"model servers: version {old} alone")
            if not hold(place.servers, [old], {STABLE: old}):
                return Waiting({}, f"version {old} is not available as {STABLE}")
        place.tell("publishing the version")
        publish(_staging(place) / MODEL_NAME / str(new), new, place.settings.state.served)
    labelled = hold(place.servers, both, labels)
    states = place.servers.states()
    state = states.get(new, VersionState("UNKNOWN"))
    if asked and state.state == END and state.error:
        return Failed(f"the model server cannot load it: {state.error}")
    if any(number not in states or states[number].state != AVAILABLE for number in both):
        return Waiting({"asked": True}, f"version {new} is {state.state}")
    place.tell("model servers: labels")
    if not labelled and not hold(place.servers, both, labels):
        return Waiting({"asked": True}, "a model server does not know the labels yet")
    return Passed("loaded beside the champion" if old is not None else "loaded")


def replay_texts(place: Workplace, rollout: Rollout) -> Result:
    """Asks both versions the golden set and recorded texts."""
    settings = place.settings.rollout
    texts = read_texts(settings.replay, settings.replay_texts, place.settings.state.recent_texts)
    if not texts or rollout.champion is None:
        return Passed("nothing to replay")
    labels = {STABLE: rollout.champion, CANARY: rollout.version}
    if not hold(place.servers, list(labels.values()), labels):
        return Waiting({}, "a model server was away")
    place.tell(f"replaying {len(texts)} texts")
    figures = replay(place.servers.addresses()[0], rollout.champion, rollout.version, texts)
    if figures["champion_failed"] == len(texts):
        return Waiting({}, "the model server is away")
    problem = complaint(figures, settings)
    return Failed(problem, figures) if problem else Passed("agrees with the champion", figures)


def promote(place: Workplace, rollout: Rollout) -> Result:
    """Makes the version champion everywhere; the champion stays loaded, for a rollback at once."""
    old, new = rollout.champion, rollout.version
    place.tell("model servers: label stable")
    if not hold(place.servers, [number for number in (old, new) if number is not None], {STABLE: new}):
        return Waiting({}, f"version {new} is not available as {STABLE}")
    place.route(Traffic(stable=new))
    place.tell("registry: aliases")
    move_aliases(place.registry, new)
    place.tell("registry: log")
    _log(place, rollout, "promoted", rollout.approved_by or rollout.started_by, "within all margins")
    place.tell("tidying up")
    _tidy(place, new)
    return Passed("promoted")


def roll_back(place: Workplace, rollout: Rollout) -> Result:
    """Gives all requests to the champion, then takes the version away.

    The order matters: gateways first, so that nobody asks for a version that is gone. Only a model server may be
    given up on.
    """
    old = rollout.champion
    place.route(Traffic(stable=old))
    unsettled = _settle(place, rollout, "gateways turn to the champion")
    if unsettled is not None:
        return unsettled
    _restore_aliases(place, rollout)
    problem = _turn_servers_back(place, old) if old is not None else ""
    if problem and time.time() - rollout.work["settled_at"] <= place.settings.rollout.load_timeout_s:
        return Waiting(rollout.work, problem)
    if problem:
        place.tell("a model server is away: sazon doctor --repair once it is back")
    place.tell("withdrawing the version")
    if _served(place, rollout.version).exists() and not rollout.goes_back:
        retire(_served(place, rollout.version))
    shutil.rmtree(_staging(place), ignore_errors=True)
    _log(place, rollout, "rolled back", rollout.aborted_by or rollout.started_by, rollout.reason)
    return Passed(f"{problem}; see sazon doctor" if problem else rollout.reason)


def revert(place: Workplace, rollout: Rollout) -> Result:
    """Goes back from the champion to `rollout.version`, at once where that is still loaded."""
    bad, good = rollout.champion, rollout.version
    if not _served(place, good).exists():
        place.tell("publishing the version again")
        publish(_download(place, good), good, place.settings.state.served)
    state = place.servers.states().get(good, VersionState("UNKNOWN"))
    if state.state != AVAILABLE:
        place.servers.assign([number for number in (bad, good) if number is not None], {})
        return Waiting({}, f"version {good} is {state.state}")
    place.route(Traffic(stable=good))
    unsettled = _settle(place, rollout, f"gateways turn to version {good}")
    if unsettled is not None:
        return unsettled
    place.tell("model servers: label stable")
    if not hold(place.servers, [good], {STABLE: good}):
        return Waiting(rollout.work, f"version {good} is not available as {STABLE}")
    place.tell("registry: aliases")
    place.registry.set_alias(CHAMPION, good)
    place.registry.drop_alias(PREVIOUS)
    place.tell("registry: log")
    _log(place, rollout, "reverted", rollout.started_by, rollout.reason)
    place.tell("tidying up")
    _tidy(place, good)
    return Passed(f"version {good} answers again")


def _settle(place: Workplace, rollout: Rollout, reason: str) -> Waiting | None:
    """Waits until every gateway has read its traffic, over a kill too; None: they have."""
    settled_at = rollout.work.get("settled_at")
    if settled_at is None:
        return Waiting({"settled_at": time.time() + place.settings.rollout.settle_s}, reason)
    return Waiting(rollout.work, reason) if time.time() < settled_at else None


def _turn_servers_back(place: Workplace, old: int) -> str:
    """Has them hold that version alone; returns what is in the way, if something is."""
    place.tell(f"model servers: version {old} alone")
    try:
        held = hold(place.servers, [old], {STABLE: old})
    except (ServingError, OSError) as error:
        return str(error)
    return "" if held else f"version {old} is not available as {STABLE}"


def _restore_aliases(place: Workplace, rollout: Rollout) -> None:
    """A promotion that failed half-way may have moved them."""
    registry, old = place.registry, rollout.champion
    champion, challenger = registry.with_alias(CHAMPION), registry.with_alias(CHALLENGER)
    if champion is not None and champion.number == rollout.version:
        if old is None:
            registry.drop_alias(CHAMPION)
        else:
            registry.set_alias(CHAMPION, old)
    if rollout.previous is not None:
        registry.set_alias(PREVIOUS, rollout.previous)
    elif registry.with_alias(PREVIOUS) is not None:
        registry.drop_alias(PREVIOUS)
    if challenger is not None and challenger.number == rollout.version:
        registry.drop_alias(CHALLENGER)


def _log(place: Workplace, rollout: Rollout, action: str, by: str, why: str) -> None:
    entry: dict[str, Any] = {
        "action": action,
        "version": rollout.version,
        "from": rollout.champion,
        "by": by,
        "at": now(),
        "why": why,
        "figures": rollout.figures,
    }
    place.registry.log_promotion(f"{rollout.id:06d}-{action.replace(' ', '-')}-{rollout.started_at}", entry)


def _tidy(place: Workplace, champion: int) -> None:
    """Failing here must not undo a promotion; the next rollout tidies again."""
    shutil.rmtree(_staging(place), ignore_errors=True)
    with contextlib.suppress(OSError):
        prune(place.settings.state.served / MODEL_NAME, champion, place.settings.serving.keep_versions, place.registry)


def _download(place: Workplace, number: int) -> Path:
    return place.registry.download(place.registry.resolve(f"models:/{MODEL_NAME}/{number}"))


def _staging(place: Workplace) -> Path:
    return place.settings.state.rollouts / "staged"


def _served(place: Workplace, number: int | None) -> Path:
    if number is None:
        raise ServingError("no version is served yet")
    return place.settings.state.served / MODEL_NAME / str(number)
