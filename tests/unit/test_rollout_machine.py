"""The state machine over a simulated model server, gateway and registry; killed before each of its actions."""

import math
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from sazon.cli import rollout as commands
from sazon.errors import RolloutRunning, ServingError, UserError
from sazon.registry import Version
from sazon.settings import RolloutSettings, Settings
from serving.monitoring.metrics import GATEWAY_CALLS, GATEWAY_PREDICTIONS, GATEWAY_SHADOW_AGREEMENT, SHADOW
from serving.rollout import steps
from serving.rollout.controller import REVERT, Controller, make_plan
from serving.rollout.doctor import examine
from serving.rollout.documents import FileDocument
from serving.rollout.figures import BUCKET, Series
from serving.rollout.server_control import VersionState
from serving.rollout.store import ROLLBACK, Outcome, RolloutStore
from serving.rollout.workplace import Workplace
from serving.traffic import CANARY, STABLE, Traffic

OLD, NEW, SHARES = 1, 2, (0.2, 0.9)
EDGES = (0.005, 0.01, 0.02, 0.04, math.inf)


class Killed(BaseException):
    """In place of SIGKILL."""


@dataclass
class Registry:
    folder: object
    aliases: dict = field(default_factory=lambda: {"champion": OLD, "challenger": NEW})
    log: dict = field(default_factory=dict)

    def resolve(self, uri):
        return Version(int(uri.rsplit("/", 1)[1]), "run", "blessed", "")

    def with_alias(self, alias):
        return Version(self.aliases[alias], "run", "blessed", "") if alias in self.aliases else None

    def set_alias(self, alias, number):
        self.aliases[alias] = number

    def drop_alias(self, alias):
        self.aliases.pop(alias, None)

    def log_promotion(self, key, entry):
        self.log.setdefault(key, entry)

    def download(self, version):
        folder = self.folder / str(version.number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_bytes(b"%d" % version.number)
        return folder


@dataclass
class Servers:
    """Loads at once what is asked for and there; refuses labels of anything else."""

    served: object
    loaded: set = field(default_factory=lambda: {OLD})
    labels: dict = field(default_factory=dict)
    broken: set = field(default_factory=set)
    away: bool = False

    def assign(self, versions, labels):
        if self.away:
            raise ServingError("model server: away")
        if not set(labels.values()) <= self.loaded:
            raise ServingError("Request to assign label to version that is not available")
        self.loaded = {number for number in versions if (self.served / str(number)).exists()} - self.broken
        self.labels = dict(labels)

    def states(self):
        if self.away:
            raise ServingError("model server: away")
        return {number: VersionState("AVAILABLE") for number in self.loaded} | {
            number: VersionState("END", "bad graph") for number in self.broken
        }

    def labelled(self, label):
        return self.labels.get(label)


@dataclass
class Gateway:
    """A thousand calls between two readings, shared out as the traffic file says."""

    path: object
    servers: Servers
    error_share: float = 0.0
    slow: bool = False
    slow_hour: bool = False
    away: bool = False
    counts: dict = field(default_factory=dict)

    def read(self):
        if self.away:
            raise ServingError("metrics cannot be read")
        traffic = Traffic.read(self.path)
        canary = round(1000 * traffic.canary_share)
        self._call(STABLE, OLD, 1000 - canary)
        self._call(CANARY, NEW, canary)
        self._call(SHADOW, NEW, round(1000 * traffic.shadow_share))
        return {"gateway": dict(self.counts)}

    def _call(self, role, version, calls):
        if not calls:
            return
        new = version == NEW
        failed = round(calls * self.error_share) if new else 0
        slow = (new and self.slow) or (self.slow_hour and Traffic.read(self.path).canary_share == SHARES[-1])
        self._add(GATEWAY_CALLS, role, version, "ok", calls - failed)
        self._add(GATEWAY_CALLS, role, version, "internal", failed)
        for edge in EDGES:
            within = {0.005: 0.1, 0.01: 0.6, 0.02: 0.99}.get(edge / 2 if slow else edge, 1.0)
            self._add(BUCKET, role, version, str(edge), calls * (0.0 if edge == 0.005 and slow else within))
        for sentiment in ("negative", "neutral", "positive"):
            self._add(GATEWAY_PREDICTIONS, role, version, sentiment, calls / 3)
        for output in ("sentiment", "tastes") if role == SHADOW else ():
            self._add(GATEWAY_SHADOW_AGREEMENT, SHADOW, version, f"{output}=true", calls)

    def _add(self, name, role, version, detail, count):
        series = Series(name, role, version, detail)
        self.counts[series] = self.counts.get(series, 0) + count


class World:
    """All of it, under one state directory."""

    def __init__(self, home, **chosen):
        defaults = {"steps": SHARES, "poll_s": 1e-4, "settle_s": 0, "replay_texts": 0, "load_timeout_s": 5}
        self.settings = Settings(home=home, rollout=RolloutSettings(**(defaults | chosen)))
        state = self.settings.state
        self.store = RolloutStore(state.rollouts)
        self.registry = Registry(home / "registry")
        self.servers = Servers(state.served / "taste")
        self.gateway = Gateway(state.traffic, self.servers)
        self.told: list[str] = []
        self.die_at = -1
        steps.publish(self.registry.download(Version(OLD, "run", "", "")), OLD, state.served)

    @property
    def place(self):
        return Workplace(self.settings, self.registry, self.servers, self.gateway, self._tell)

    @property
    def controller(self):
        return Controller(self.place, self.store)

    def _tell(self, text):
        if len(self.told) == self.die_at:
            self.die_at = -1
            raise Killed
        self.told.append(text)

    def roll_out(self):
        """Starts anew after each death, as a supervisor does."""
        while True:
            try:
                with self.store.control():
                    controller = self.controller
                    return controller.run(self.store.unfinished() or controller.begin(NEW, "ana"))
            except Killed:
                last = self.store.last()
                if last is not None and last.outcome is not None:
                    return last

    def versions(self):
        return {path.name for path in (self.settings.state.served / "taste").iterdir()}

    def assert_agrees_on(self, champion):
        assert self.registry.aliases["champion"] == champion
        assert Traffic.read(self.settings.state.traffic) == Traffic(stable=champion)
        assert self.servers.labels == {STABLE: champion}
        assert not list(examine(self.place, self.store))


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "verify_apart", lambda folder, champion: {"memory_mib": 50.0})
    return lambda **chosen: World(tmp_path, **chosen)


def test_a_good_version_is_promoted_and_the_champion_stays_warm(world):
    made = world()
    ended = made.roll_out()
    assert ended.outcome is Outcome.PROMOTED
    assert list(ended.figures) == ["verify", "load", "replay", "shadow 20%", "canary 20%", "canary 90%", "promote"]
    made.assert_agrees_on(NEW)
    assert made.registry.aliases == {"champion": NEW, "previous": OLD}
    assert made.servers.loaded == {OLD, NEW}
    (entry,) = made.registry.log.values()
    assert (entry["action"], entry["by"], entry["version"]) == ("promoted", "ana", NEW)
    assert entry["figures"]["canary 20%"]["errors"]["share"] == 0


def test_what_slows_both_versions_down_at_the_last_step_counts_against_neither(world):
    made = world()
    made.gateway.slow_hour = True
    assert made.roll_out().outcome is Outcome.PROMOTED


@pytest.mark.parametrize(
    ("trouble", "step"),
    [
        ({"error_share": 0.05}, "shadow 20%"),
        ({"slow": True}, "shadow 20%"),
        ({"error_share": 0.05, "shadow_share": 0.0}, "canary 20%"),
        ({"away": True}, "shadow 20%"),
        ({"broken": True}, "load"),
    ],
)
def test_a_bad_version_goes_back_and_leaves_no_trace(world, trouble, step):
    made = world(shadow_share=trouble.pop("shadow_share", 0.2), blind_timeout_s=0.01)
    made.servers.broken = {NEW} if trouble.pop("broken", False) else set()
    for name, value in trouble.items():
        setattr(made.gateway, name, value)
    ended = made.roll_out()
    assert ended.outcome is Outcome.ROLLED_BACK
    assert ended.reason.startswith(f"{step}: ")
    made.assert_agrees_on(OLD)
    assert made.registry.aliases == {"champion": OLD}
    assert made.servers.loaded == {OLD}
    assert made.versions() == {"1"}


def test_without_a_decision_in_time_it_goes_back(world):
    made = world(min_samples=10**9, step_timeout_s=0.05)
    ended = made.roll_out()
    assert ended.outcome is Outcome.ROLLED_BACK
    assert "no decision in time" in ended.reason
    made.assert_agrees_on(OLD)


@pytest.mark.parametrize("bad", [False, True])
def test_killed_before_any_action_it_ends_as_it_would_have(world, bad, tmp_path):
    reference = World(tmp_path / "reference")
    reference.gateway.error_share = 0.05 if bad else 0.0
    reference.roll_out()
    assert len(reference.told) > 10
    for action in range(len(reference.told)):
        made = World(tmp_path / str(action))
        made.gateway.error_share = reference.gateway.error_share
        made.die_at = action
        ended = made.roll_out()
        assert ended.outcome is (Outcome.ROLLED_BACK if bad else Outcome.PROMOTED), reference.told[action]
        made.assert_agrees_on(OLD if bad else NEW)
        assert len(made.registry.log) == 1
        assert made.versions() == ({"1"} if bad else {"1", "2"})


def test_a_server_started_anew_is_told_again(world):
    made = world()
    with made.store.control():
        rollout = made.controller.begin(NEW, "ana")
        while not rollout.step.startswith(CANARY):
            rollout, _ = made.controller.look(rollout)
        made.servers.loaded, made.servers.labels = {NEW}, {}  # it turned to the newest directory by itself
        made.controller.look(rollout)
        assert made.servers.loaded == {OLD, NEW}
        rollout, _ = made.controller.look(rollout)
        assert made.servers.labels == {STABLE: OLD, CANARY: NEW}
        assert made.controller.run(rollout).outcome is Outcome.PROMOTED


def test_paused_it_stays_and_still_goes_back_when_things_get_worse(world):
    made = world()
    with made.store.control():
        rollout = made.controller.begin(NEW, "ana")
        while not rollout.step.startswith(CANARY):
            rollout, _ = made.controller.look(rollout)
        made.store.wish(rollout, paused=True)
        for _ in range(10):
            rollout, _ = made.controller.look(rollout)
        assert rollout.step == "canary 20%"
        made.gateway.error_share = 0.5
        assert made.controller.run(rollout).outcome is Outcome.ROLLED_BACK


def test_abort_and_approval_are_wishes_that_the_controller_sees(world):
    made = world(approval=True)
    with made.store.control():
        rollout = made.controller.begin(NEW, "ana")
        while rollout.step != "approval":
            rollout, _ = made.controller.look(rollout)
        for _ in range(10):
            rollout, _ = made.controller.look(rollout)
        assert rollout.step == "approval"
        assert Traffic.read(made.settings.state.traffic).canary_share == SHARES[0]
        made.store.wish(rollout, approved_by="rosa")
        assert made.controller.run(rollout).outcome is Outcome.PROMOTED
        assert next(iter(made.registry.log.values()))["by"] == "rosa"
        rollout = made.controller.begin_rollback("ana")
        made.store.wish(rollout, aborted_by="luis")
        ended = made.controller.run(rollout)
        assert (ended.outcome, ended.reason) == (Outcome.ROLLED_BACK, "revert: aborted by luis")


def test_rollback_goes_to_the_previous_version_and_forgets_the_bad_one(world):
    made = world()
    made.roll_out()
    with made.store.control():
        ended = made.controller.run(made.controller.begin_rollback("ana"))
    assert ended.outcome is Outcome.REVERTED
    made.assert_agrees_on(OLD)
    assert made.registry.aliases == {"champion": OLD}
    assert made.versions() == {"1"}
    assert [entry["action"] for entry in made.registry.log.values()] == ["promoted", "reverted"]


def test_a_server_that_stays_away_does_not_hold_a_rollback_up(world):
    made = world(load_timeout_s=0.05)
    with made.store.control():
        rollout = made.controller.begin(NEW, "ana")
        while not rollout.step.startswith(CANARY):
            rollout, _ = made.controller.look(rollout)
        made.servers.away = True
        made.store.wish(rollout, aborted_by="luis")
        ended = made.controller.run(rollout)
    assert ended.outcome is Outcome.ROLLED_BACK
    assert Traffic.read(made.settings.state.traffic) == Traffic(stable=OLD)
    assert made.versions() == {"1"}


def into_rollback(made):
    """An aborted canary, whose traffic is to be changed."""
    rollout = made.controller.begin(NEW, "ana")
    while not rollout.step.startswith(CANARY):
        rollout, _ = made.controller.look(rollout)
    rollout = made.controller.look(made.controller.look(rollout)[0])[0]
    assert Traffic.read(made.settings.state.traffic).canary_share
    made.store.wish(rollout, aborted_by="luis")
    return made.controller.look(rollout)[0]


def test_nothing_is_taken_away_while_the_traffic_cannot_be_changed(world, monkeypatch):
    made = world(load_timeout_s=1e-3)
    with made.store.control():
        rollout = into_rollback(made)
        with monkeypatch.context() as broken:
            broken.setattr(FileDocument, "change", lambda self, edit: 1 / 0)
            for _ in range(3):
                time.sleep(1e-3)
                rollout, _ = made.controller.look(rollout)
        assert (rollout.outcome, made.versions(), made.servers.loaded) == (None, {"1", "2"}, {OLD, NEW})
        assert made.controller.run(rollout).outcome is Outcome.ROLLED_BACK
    made.assert_agrees_on(OLD)


def test_damaged_traffic_is_written_anew_on_the_way_back(world):
    made = world()
    with made.store.control():
        rollout = into_rollback(made)
        made.settings.state.traffic.write_text("{")
        assert made.controller.run(rollout).outcome is Outcome.ROLLED_BACK
    made.assert_agrees_on(OLD)


@pytest.mark.parametrize("back", [ROLLBACK, REVERT])
def test_whoever_goes_on_after_a_kill_waits_for_the_rest_of_the_settling(world, monkeypatch, back):
    made = world(settle_s=1000.0)
    if back == REVERT:
        made.roll_out()
    with made.store.control():
        rollout = into_rollback(made) if back == ROLLBACK else made.controller.begin_rollback("ana")
        for _ in range(3):
            rollout, waits_s = made.controller.look(rollout)
            assert 900 < waits_s <= 1000
        assert (rollout.step, made.servers.loaded) == (back, {OLD, NEW})
        monkeypatch.setattr(steps, "time", SimpleNamespace(time=lambda: time.time() + 1000))
        assert made.controller.look(rollout)[0].outcome is not None
    made.assert_agrees_on(OLD)


@pytest.mark.parametrize("command", [commands.rollback, commands.resume])
def test_a_killed_rollback_goes_on_and_succeeds(world, monkeypatch, command):
    made = world()
    made.roll_out()
    monkeypatch.setattr(commands, "_settings", lambda: made.settings)
    monkeypatch.setattr(commands, "_controller", lambda settings, store: made.controller)
    made.die_at = len(made.told) + 3
    with pytest.raises(Killed):
        commands.rollback(by="ana", as_json=False)
    made.registry.drop_alias("previous")
    command(**({"by": "ana"} if command is commands.rollback else {}), as_json=False)
    assert made.store.last().outcome is Outcome.REVERTED
    made.assert_agrees_on(OLD)


def test_a_rollback_waits_for_the_registry_as_long_as_it_takes(world, monkeypatch):
    made = world(load_timeout_s=0.5)
    made.roll_out()
    with made.store.control():
        rollout = made.controller.begin_rollback("ana")
        with monkeypatch.context() as broken:
            broken.setattr(Registry, "set_alias", lambda self, alias, number: 1 / 0)
            for _ in range(4):
                rollout, _ = made.controller.look(rollout)
                time.sleep(0.2)
        assert (rollout.step, rollout.outcome) == (REVERT, None)
        assert Traffic.read(made.settings.state.traffic) == Traffic(stable=OLD)
        assert made.controller.run(rollout).outcome is Outcome.REVERTED
    made.assert_agrees_on(OLD)


def test_a_rollback_that_is_called_off_leaves_the_version_it_led_to(world):
    made = world()
    made.roll_out()
    with made.store.control():
        rollout = made.controller.begin_rollback("ana")
        made.store.wish(rollout, aborted_by="luis")
        assert made.controller.run(rollout).outcome is Outcome.ROLLED_BACK
    made.assert_agrees_on(NEW)
    assert made.versions() == {"1", "2"}


def called_off_while_promoting(made, monkeypatch):
    """How a rollout ends whose abort comes when all of `promote` but its end is done."""
    with made.store.control():
        rollout = made.controller.begin(NEW, "ana")

        def call_off(self, key, entry):
            if entry["action"] == "promoted":
                made.store.wish(rollout, aborted_by="luis")

        monkeypatch.setattr(Registry, "log_promotion", call_off)
        return made.controller.run(rollout)


def test_an_abort_during_the_last_step_counts(world, monkeypatch):
    made = world()
    ended = called_off_while_promoting(made, monkeypatch)
    assert (ended.outcome, ended.reason) == (Outcome.ROLLED_BACK, "promote: aborted by luis")
    made.assert_agrees_on(OLD)


def test_what_has_ended_meanwhile_stays_as_it_ended(world):
    made = world()
    with made.store.control():
        stale = made.controller.begin(NEW, "ana")
        ended = made.controller.run(stale)
        events = made.store.events()
        with pytest.raises(ServingError, match="has ended"):
            made.store.wish(stale, aborted_by="luis")
        assert made.controller.run(stale) == ended
    assert made.store.events() == events


def test_it_goes_back_although_the_server_turned_to_the_new_version_alone(world):
    made = world()
    with made.store.control():
        rollout = made.controller.begin(NEW, "ana")
        while not rollout.step.startswith(CANARY):
            rollout, _ = made.controller.look(rollout)
        made.servers.loaded, made.servers.labels = {NEW}, {}
        made.store.wish(rollout, aborted_by="luis")
        assert made.controller.run(rollout).outcome is Outcome.ROLLED_BACK
    made.assert_agrees_on(OLD)


def test_the_first_version_needs_no_comparison(world):
    made = world()
    made.registry.aliases = {}
    assert make_plan(made.settings.rollout, None) == ("verify", "load", "promote")
    assert made.roll_out().outcome is Outcome.PROMOTED
    made.assert_agrees_on(NEW)


def test_a_first_version_that_is_called_off_leaves_nothing(world, monkeypatch):
    made = world()
    made.registry.aliases = {}
    made.servers.loaded = set()
    assert called_off_while_promoting(made, monkeypatch).outcome is Outcome.ROLLED_BACK
    assert Traffic.read(made.settings.state.traffic) == Traffic()
    assert (made.registry.aliases, made.versions()) == ({}, {"1"})


def test_one_rollout_and_one_controller_at_a_time(world):
    made = world()
    with made.store.control():
        made.controller.begin(NEW, "ana")
        with pytest.raises(ServingError, match="unfinished"):
            made.controller.begin(NEW, "ana")
        with pytest.raises(RolloutRunning), RolloutStore(made.settings.state.rollouts).control():
            pass
    with pytest.raises(UserError, match="champion already"):
        made.controller.begin(OLD, "ana")


def test_the_doctor_repairs_what_does_not_agree(world):
    made = world()
    made.roll_out()
    state = made.settings.state
    made.settings.state.traffic.write_text("{")
    made.servers.labels = {}
    made.registry.aliases["challenger"] = NEW
    (state.served / "taste" / "2" / "saved_model.pb").write_bytes(b"damaged")
    (state.served / "taste" / "9").mkdir()
    places = []
    for finding in examine(made.place, made.store):
        places.append(finding.place)
        finding.repair()
    assert places == ["registry", "served", "served", "traffic", "servers"]
    made.assert_agrees_on(NEW)


def test_the_doctor_leaves_an_unfinished_rollout_to_the_controller(world):
    made = world()
    with made.store.control():
        made.controller.begin(NEW, "ana")
    (finding,) = examine(made.place, made.store)
    assert (finding.place, finding.repair) == ("rollout", None)
    assert ROLLBACK not in finding.problem
