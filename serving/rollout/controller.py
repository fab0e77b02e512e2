"""Brings a version from the registry to all requests, or back; goes on after a kill where it was."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sazon.errors import DataError, RegistryError, SazonError, UserError
from sazon.registry import CHAMPION, PREVIOUS, REJECTED
from sazon.schema import MODEL_NAME
from sazon.settings import RolloutSettings
from serving.monitoring.metrics import SHADOW
from serving.rollout import steps
from serving.rollout.store import REVERT, ROLLBACK, Outcome, Rollout, RolloutStore, now
from serving.rollout.trial import Trial
from serving.rollout.workplace import Failed, Passed, Result, Waiting, Workplace
from serving.traffic import CANARY

Step = Callable[[Workplace, Rollout], Result]

VERIFY, LOAD, REPLAY, APPROVAL, PROMOTE = "verify", "load", "replay", "approval", "promote"
_PLAIN: Final[dict[str, Step]] = {
    VERIFY: steps.verify,
    LOAD: steps.load,
    REPLAY: steps.replay_texts,
    PROMOTE: steps.promote,
    REVERT: steps.revert,
    ROLLBACK: steps.roll_back,
}


def make_plan(settings: RolloutSettings, champion: int | None) -> tuple[str, ...]:
    """Names of the steps, such as `canary 5%`; with no champion there is nothing to compare with."""
    if champion is None:
        return (VERIFY, LOAD, PROMOTE)
    canaries = [f"{CANARY} {100 * share:g}%" for share in settings.steps]
    shadow = [f"{SHADOW} {100 * settings.shadow_share:g}%"] if settings.shadow_share else []
    approval = [APPROVAL] if settings.approval else []
    return (VERIFY, LOAD, REPLAY, *shadow, *canaries[:-1], *approval, canaries[-1], PROMOTE)


def aim(rollout: Rollout) -> Outcome:
    """How it ends when all goes well."""
    return Outcome.REVERTED if rollout.goes_back else Outcome.PROMOTED


class Controller:
    """Runs rollouts, one at a time; hold `RolloutStore.control` while calling it."""

    def __init__(self, place: Workplace, store: RolloutStore) -> None:
        self._place, self._store = place, store

    def begin(self, version: int, by: str) -> Rollout:
        """Starts a rollout.

        Raises:
            UserError: the version was rejected by its gates, or is the champion.
            RegistryError: there is no such version.
            ServingError: a rollout is unfinished, or the cluster would refuse it.
        """
        registry = self._place.registry
        wanted = registry.resolve(f"models:/{MODEL_NAME}/{version}")
        champion = registry.with_alias(CHAMPION)
        if wanted.status == REJECTED:
            raise UserError(f"version {version} was rejected: {wanted.reason}")
        if champion is not None and champion.number == version:
            raise UserError(f"version {version} is the champion already")
        self._place.rehearse()
        plan = make_plan(self._place.settings.rollout, champion.number if champion else None)
        return self._store.begin(self._new(version, plan, by))

    def begin_rollback(self, by: str) -> Rollout:
        """Starts the way back from the champion to the version before it.

        Raises:
            RegistryError: there is none.
            ServingError: a rollout is unfinished, or the cluster would refuse it.
        """
        previous = self._place.registry.with_alias(PREVIOUS)
        if previous is None:
            raise RegistryError("no previous version to go back to (any other: sazon rollout VERSION)")
        self._place.rehearse()
        return self._store.begin(self._new(previous.number, (REVERT,), by))

    def run(self, rollout: Rollout) -> Rollout:
        """Goes on until the rollout has ended."""
        while rollout.outcome is None:
            rollout, waits_s = self.look(rollout)
            time.sleep(waits_s)
        return rollout

    def look(self, rollout: Rollout) -> tuple[Rollout, float]:
        """Does what can be done now.

        Returns:
            The rollout as it then stands, and for how many seconds to wait.
        """
        rollout = self._store.get(rollout.id)
        if rollout.outcome is not None:  # another process ended it while this one waited for its turn
            return rollout, 0.0
        step = rollout.step
        if rollout.aborted_by is not None and step != ROLLBACK:
            return self._abort(rollout), 0.0
        action = self._action(rollout)
        if rollout.paused and step != ROLLBACK:
            rollout = replace(rollout, entered_at=time.time())
            if not isinstance(action, Trial):
                return self._store.save(rollout), self._place.settings.rollout.poll_s
        try:
            result = action(self._place, rollout)
        except Exception as error:  # whatever it is: time runs out, and the requests go back to the champion
            problem = str(error) if isinstance(error, SazonError) else f"{type(error).__name__}: {error}"
            hopeless = step == VERIFY or isinstance(error, DataError)
            result = Failed(problem) if hopeless else Waiting(rollout.work, problem)
        return self._apply(rollout, result)

    def _apply(self, rollout: Rollout, result: Result) -> tuple[Rollout, float]:
        if isinstance(result, Passed):
            return self._advance(rollout, result), 0.0
        if isinstance(result, Failed):
            return self._fail(rollout, result), 0.0
        rollout = replace(rollout, work={**result.work, "waits": result.reason})
        if time.time() - rollout.entered_at > self._limit_s(rollout):
            figures = result.work.get("figures", {})
            return self._fail(rollout, Failed(f"no decision in time: {result.reason}", figures)), 0.0
        settles_s = result.work.get("settled_at", 0.0) - time.time()
        waits_s = settles_s if settles_s > 0 else self._place.settings.rollout.poll_s
        return self._store.save(rollout), waits_s

    def _advance(self, rollout: Rollout, passed: Passed) -> Rollout:
        if rollout.step == ROLLBACK:
            return self._end(rollout, Outcome.ROLLED_BACK, passed.message)
        rollout = replace(rollout, figures={**rollout.figures, rollout.step: passed.figures})
        place = rollout.plan.index(rollout.step) + 1
        if place == len(rollout.plan):
            return self._end(rollout, aim(rollout), passed.message)
        self._place.tell(f"{rollout.step}: {passed.message}")
        entered = replace(rollout, step=rollout.plan[place], entered_at=time.time(), work=passed.carried)
        return self._store.save(entered, f"{rollout.step}: {passed.message}", passed.figures)

    def _fail(self, rollout: Rollout, failed: Failed) -> Rollout:
        self._place.tell(f"{rollout.step}: rolling back: {failed.reason}")
        figures = {**rollout.figures, rollout.step: failed.figures}
        reason = f"{rollout.step}: {failed.reason}"
        entered = replace(rollout, step=ROLLBACK, entered_at=time.time(), work={}, figures=figures, reason=reason)
        return self._store.save(entered, reason, failed.figures)

    def _end(self, rollout: Rollout, outcome: Outcome, message: str) -> Rollout:
        self._place.tell(f"{rollout.step}: {message}")
        ended = replace(rollout, outcome=outcome, reason=rollout.reason or message, work={})
        if outcome is Outcome.ROLLED_BACK:
            return self._store.save(ended, f"{outcome}: {message}")
        kept = self._store.end(ended, f"{outcome}: {message}")
        return kept if kept.outcome is not None else self._abort(kept)

    def _abort(self, rollout: Rollout) -> Rollout:
        return self._fail(rollout, Failed(f"aborted by {rollout.aborted_by}"))

    def _action(self, rollout: Rollout) -> Step:
        if rollout.step in _PLAIN:
            return _PLAIN[rollout.step]
        judged = [name for name in rollout.plan if name not in _PLAIN]
        if rollout.step == APPROVAL:
            before = rollout.plan[rollout.plan.index(APPROVAL) - 1]
            return Trial(*_read_step(before), steps=len(judged), needs_approval=True)
        return Trial(*_read_step(rollout.step), steps=len(judged))

    def _limit_s(self, rollout: Rollout) -> float:
        chosen = self._place.settings.rollout
        if rollout.step == ROLLBACK or (rollout.goes_back and "settled_at" in rollout.work):
            return math.inf  # the requests have been turned away from the bad version: there is no way back
        if rollout.step in _PLAIN:
            return chosen.load_timeout_s
        return chosen.approval_timeout_s if rollout.step == APPROVAL else chosen.step_timeout_s

    def _new(self, version: int, plan: tuple[str, ...], by: str) -> Rollout:
        champion, previous = (self._place.registry.with_alias(alias) for alias in (CHAMPION, PREVIOUS))
        return Rollout(
            id=0,
            version=version,
            champion=champion.number if champion else None,
            previous=previous.number if previous else None,
            plan=plan,
            step=plan[0],
            started_by=by,
            started_at=now(),
            entered_at=time.time(),
        )


def _read_step(name: str) -> tuple[str, float]:
    """`canary 5%` as its role and share."""
    role, percent = name.split()
    return role, float(percent.removesuffix("%")) / 100
