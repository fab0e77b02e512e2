"""The judged steps: a share of the requests goes to the new version while its figures are compared."""

import time
from dataclasses import dataclass
from typing import Any

from sazon.errors import ServingError
from serving.monitoring.metrics import SHADOW
from serving.rollout.figures import Window
from serving.rollout.judgement import Bounds, Judge, Verdict
from serving.rollout.server_control import AVAILABLE, hold
from serving.rollout.store import Rollout
from serving.rollout.workplace import Failed, Passed, Result, Waiting, Workplace
from serving.traffic import CANARY, STABLE, Traffic

_MOST_LOSSES = 3
"""A version that ends its server more often than this in one step is not to be trusted."""


@dataclass(frozen=True)
class Trial:
    """One judged step.

    Attributes:
        role: in which the version is asked, `shadow` or `canary`.
        share: of requests.
        steps: how many judged steps the rollout has, for the division of alpha.
        needs_approval: whether a person must agree before it passes.
    """

    role: str
    share: float
    steps: int
    needs_approval: bool = False

    def __call__(self, place: Workplace, rollout: Rollout) -> Result:
        """One look at the metrics."""
        assert rollout.champion is not None
        champion, work = rollout.champion, rollout.work
        bounds = Bounds(tuple(work["bounds"][0]), work["bounds"][1]) if "bounds" in work else None
        # Nobody is exposed before it is known what to compare with.
        place.route(self._traffic(rollout) if bounds else Traffic(stable=champion))
        try:
            loaded = _keep_loaded(place, rollout)
            reading = place.reader.read()
        except ServingError as error:
            since = work.get("blind_since", time.time())
            if time.time() - since > place.settings.rollout.blind_timeout_s:
                return Failed(f"flying blind: {error}")
            return Waiting({**work, "blind_since": since}, str(error))
        window = Window.from_json(work.get("window", {})).add(reading)
        kept: dict[str, Any] = {name: work[name] for name in ("bounds", "losses") if name in work}
        if not loaded or "blind_since" in work:
            return _begin_anew(work, kept, window, loaded)
        if bounds is None:
            return self._measure_champion(place, champion, window, kept)
        judge = Judge(place.settings.rollout, champion, rollout.version, self.steps)
        judgement = judge.judge(self.role, window.figures, bounds)
        if judgement.verdict is Verdict.WORSE:
            return Failed(f"{judgement.reason}", judgement.figures)
        approved = rollout.approved_by is not None or not self.needs_approval
        if judgement.verdict is Verdict.GOOD and approved and not rollout.paused:
            kept.pop("losses", None)
            return Passed(judgement.reason, judgement.figures, {**kept, "window": window.opened_anew().as_json()})
        waits = judgement.reason if approved else "waits for approval (sazon rollout approve --by NAME)"
        return Waiting({**kept, "window": window.as_json(), "figures": judgement.figures}, waits)

    def _traffic(self, rollout: Rollout) -> Traffic:
        shares = {"shadow_share" if self.role == SHADOW else "canary_share": self.share}
        return Traffic(stable=rollout.champion, canary=rollout.version, **shares)

    def _measure_champion(self, place: Workplace, champion: int, window: Window, kept: dict[str, Any]) -> Result:
        figures, wanted = window.figures, place.settings.rollout.min_samples
        if figures.slower_than(STABLE, champion, 0.0).total < wanted:
            calls = figures.calls(STABLE, champion)
            return Waiting({**kept, "window": window.as_json()}, f"champion: {calls:.0f} of {wanted} calls")
        bounds = Bounds.of(figures, champion)
        kept["bounds"] = [list(bounds.median), bounds.tail]
        return Waiting({**kept, "window": window.opened_anew().as_json()}, "the champion's latency is known")


def _begin_anew(work: dict[str, Any], kept: dict[str, Any], window: Window, loaded: bool) -> Result:
    """Calls made while a version was away tell nothing of it; that it keeps going away does."""
    kept["losses"] = work.get("losses", 0) + (not loaded and not work.get("lost", False))
    if kept["losses"] > _MOST_LOSSES:
        return Failed(f"model servers lost a version {kept['losses']} times")
    kept |= {"window": window.opened_anew().as_json(), "lost": not loaded}
    return Waiting(kept, "a server was away, counting begins anew")


def _keep_loaded(place: Workplace, rollout: Rollout) -> bool:
    """Tells a model server again that was started anew; returns whether nothing was amiss."""
    states, servers = place.servers.states(), place.servers
    wanted = {
        label: number for label, number in ((STABLE, rollout.champion), (CANARY, rollout.version)) if number is not None
    }
    if all(
        number in states and states[number].state == AVAILABLE and servers.labelled(label) == number
        for label, number in wanted.items()
    ):
        return True
    place.tell("model servers: both versions again")
    hold(servers, list(wanted.values()), wanted)
    return False
