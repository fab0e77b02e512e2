"""kill -9 of controller, model server and gateway in every state of a rollout: it goes on or back, and all agree."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

tf = pytest.importorskip("tensorflow")

from benchmarks.rollout_workload import QUICK, Stack, Visitors, export  # noqa: E402
from sazon.settings import RolloutSettings  # noqa: E402
from serving.rollout import steps  # noqa: E402
from serving.rollout.controller import APPROVAL, LOAD, PROMOTE, REPLAY, REVERT, VERIFY, Controller, make_plan  # noqa: E402
from serving.rollout.doctor import examine  # noqa: E402
from serving.rollout.store import ROLLBACK, Outcome, Rollout, RolloutStore  # noqa: E402
from serving.traffic import CANARY, Traffic  # noqa: E402

EASY = {
    **dict.fromkeys(("error_margin", "median_margin", "tail_margin", "drift_margin"), 0.9),
    **{"agreement": 0.1, "taste_agreement": 0.1, "replay_slowdown": 100.0, "replay_texts": 5},
    **{"min_samples": 5, "poll_s": 0.05, "settle_s": 0.3, "approval": True},
}
"""A few calls decide; what is tested here is not the judgement."""
UNDECIDED = {**EASY, "min_samples": 10**9}
PLAN = make_plan(RolloutSettings(**(QUICK | EASY)), champion=1)
STATES = (*PLAN, ROLLBACK, REVERT)
CHEAP_STATE = next(step for step in PLAN if step.startswith(CANARY))
"""Starting servers anew costs seconds: in every state with `make test-all`, in this one always."""
BEFORE_CANARY = PLAN[: PLAN.index(CHEAP_STATE)]
DIES_AT = {
    VERIFY: "verifying it",
    LOAD: "model servers: labels",
    REPLAY: "replaying",
    PROMOTE: "registry: log",
    ROLLBACK: "withdrawing",
    REVERT: "registry: log",
}
"""Announcement of the controller at which somebody dies in a state; in the judged ones it is between two looks."""


CASES = [
    pytest.param(process, state, marks=[] if process == "controller" or state == CHEAP_STATE else pytest.mark.slow)
    for process in ("controller", "server", "gateway")
    for state in STATES
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One for all: what a case leaves behind, the next one begins with."""
    models = tmp_path_factory.mktemp("models")
    for kind in ("champion", "good"):
        export(models / kind, kind)
    made = Stack(tmp_path_factory.mktemp("home"), models).start()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def unverified(monkeypatch):
    """Loading a model apart takes seconds."""
    monkeypatch.setattr(steps, "verify_apart", lambda folder, champion: {})


@pytest.fixture(scope="module")
def fork_server():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.rollout_workload", "tensorflow_serving.apis.predict_pb2"])
    return context


@pytest.mark.parametrize(("process", "state"), CASES)
def test_killed_in_any_state_it_goes_on_or_back(stack, fork_server, process, state):
    if state == REVERT and stack.registry.with_alias("previous") is None:
        bring_into(stack, new_version(stack), PROMOTE)
        assert finish(stack).outcome is Outcome.PROMOTED
    old = stack.registry.with_alias("champion").number
    new = stack.registry.with_alias("previous").number if state == REVERT else new_version(stack)
    with Visitors(stack.url, count=2, pause_s=0.01) as visitors:
        if process == "controller":
            child = fork_server.Process(target=die, args=(stack.home, stack.models, stack.grpc, stack.url, new, state))
            child.start()
            child.join(60)
            assert child.exitcode == -signal.SIGKILL
        else:
            bring_into(stack, new, state)
            act_until(stack, state, getattr(stack, process).kill)
            getattr(stack, f"restart_{process}")()
        wait_for_calls(visitors)
        assert set(visitors.answered) <= ({str(old)} if state in BEFORE_CANARY else {str(old), str(new)})
        ended = finish(stack)
        wait_for_calls(visitors)
    ends = {ROLLBACK: Outcome.ROLLED_BACK, REVERT: Outcome.REVERTED}
    assert ended.outcome is ends.get(state, Outcome.PROMOTED), ended.reason
    assert set(visitors.answered) <= {str(old), str(new)}
    assert process != "controller" or not visitors.failed
    champion = old if ended.outcome is Outcome.ROLLED_BACK else new
    assert_agrees_on(stack, champion, repairing={"servers"} if process == "server" else set())


def assert_agrees_on(stack: Stack, champion: int, repairing: set[str]) -> None:
    """A server that is told over gRPC forgets its labels when it dies, and after a rollout only the doctor looks."""
    place, store = stack.place(print), store_of(stack)
    for finding in examine(place, store):
        assert finding.place in repairing, finding.problem
        finding.repair()
    assert [finding.problem for finding in examine(place, store)] == []
    assert Traffic.read(place.settings.state.traffic) == Traffic(stable=champion)
    assert stack.registry.with_alias("champion").number == champion
    assert place.servers.labelled("stable") == champion
    with Visitors(stack.url, count=1) as visitors:
        give_up_at = time.monotonic() + 20
        while not visitors.answered and time.monotonic() < give_up_at:
            time.sleep(0.02)
    assert set(visitors.answered) == {str(champion)}


def store_of(stack: Stack) -> RolloutStore:
    return RolloutStore(stack.home / "rollouts")


def new_version(stack: Stack) -> int:
    number = 1 + max(int(path.name) for path in stack.registry.folder.iterdir() if path.name.isdigit())
    stack.enter(number, "good")
    return number


def bring_into(stack: Stack, number: int, state: str) -> None:
    """Begins a rollout and takes it to a state."""
    store = store_of(stack)
    with store.control():
        controller = Controller(stack.place(print, **EASY), store)
        rollout = controller.begin_rollback("test") if state == REVERT else controller.begin(number, "test")
        while rollout.step != state:
            assert rollout.outcome is None, rollout.reason
            if rollout.step == APPROVAL:
                store.wish(rollout, approved_by="test")
            if state == ROLLBACK and rollout.step.startswith(CANARY):
                store.wish(rollout, aborted_by="test")
            rollout, waits_s = controller.look(rollout)
            time.sleep(waits_s)


def act_until(stack: Stack, state: str, kill: Callable[[], None]) -> None:
    """Acts in a state until the moment to kill somebody, and a little longer if that was not the controller."""
    store, killed = store_of(stack), []

    def tell(text: str) -> None:
        if not killed and text.startswith(DIES_AT.get(state, "no such text")):
            killed.append(text)
            kill()

    with store.control():
        controller = Controller(stack.place(tell, **UNDECIDED), store)
        rollout = store.last()
        for _ in range(3 if state not in DIES_AT else 1000):
            rollout, waits_s = controller.look(rollout)
            if killed:
                return
            time.sleep(waits_s)
        assert rollout.step == state
        kill()
        controller.look(rollout)


def finish(stack: Stack) -> Rollout:
    store = store_of(stack)
    rollout = store.last()
    if rollout.outcome is not None:
        return rollout
    store.wish(rollout, approved_by="test")
    with store.control():
        return Controller(stack.place(print, **EASY), store).run(store.get(rollout.id))


def die(home: Path, models: Path, grpc: str, url: str, number: int, state: str) -> None:
    """The body of a child: a controller that is killed in a state."""
    steps.verify_apart = lambda folder, champion: {}
    stack = Stack(home, models)
    stack.grpc, stack.url = grpc, url
    bring_into(stack, number, state)
    act_until(stack, state, lambda: os.kill(os.getpid(), signal.SIGKILL))


def wait_for_calls(visitors: Visitors, least: int = 5, timeout_s: float = 20.0) -> None:
    """Until so many more calls have ended, well or badly."""
    wanted = visitors.answered.total() + len(visitors.failed) + least
    give_up_at = time.monotonic() + timeout_s
    while visitors.answered.total() + len(visitors.failed) < wanted:
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
