"""Rollouts on a real model server and gateway: bad versions go back by themselves, kills leave no contradiction."""

import multiprocessing
import signal
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

tf = pytest.importorskip("tensorflow")

from benchmarks.rollout_workload import KINDS, Stack, Visitors, export  # noqa: E402
from serving.rollout import steps  # noqa: E402
from serving.rollout.controller import Controller  # noqa: E402
from serving.rollout.doctor import examine  # noqa: E402
from serving.rollout.store import Outcome, RolloutStore  # noqa: E402
from serving.traffic import Traffic  # noqa: E402


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for kind in ("champion", *KINDS):
        export(folder / kind, kind)
    return folder


@pytest.fixture(scope="module")
def stack(models, tmp_path_factory):
    """One for all: each rollout but the last leaves version 1 as champion."""
    made = Stack(tmp_path_factory.mktemp("home"), models).start()
    yield made
    made.stop()


@pytest.fixture
def visited(stack):
    with Visitors(stack.url, count=3) as visitors:
        yield visitors


@pytest.fixture
def unverified(monkeypatch):
    """Loading a model apart takes seconds; a bad one is to be caught by a later step."""
    monkeypatch.setattr(steps, "verify_apart", lambda folder, champion: {})


def assert_agrees(stack: Stack, champion: int) -> None:
    place = stack.place(print)
    store = RolloutStore(place.settings.state.rollouts)
    assert [finding.problem for finding in examine(place, store)] == []
    assert Traffic.read(place.settings.state.traffic) == Traffic(stable=champion)
    assert stack.registry.with_alias("champion").number == champion
    assert place.servers.labelled("stable") == champion


def test_a_version_that_crashes_on_load_reaches_nobody(stack):
    stack.enter(2, "crashing")
    ended = stack.roll_out(2)
    assert ended.outcome is Outcome.ROLLED_BACK
    assert ended.reason.startswith("verify: ")
    assert not (stack.home / "rollouts" / "staged").exists()


@pytest.mark.parametrize(
    ("number", "kind", "chosen", "step"),
    [
        (3, "crashing", {}, "load"),
        (4, "permuted", {"replay_texts": 60}, "replay"),
        (5, "permuted", {}, "shadow"),
        (6, "slow", {}, "shadow"),
        (7, "slow", {"shadow_share": 0.0}, "canary 50%"),
        (8, "leaking", {"shadow_share": 0.0}, "canary 50%"),
    ],
)
def test_a_bad_version_goes_back_by_itself(stack, visited, unverified, number, kind, chosen, step):
    stack.enter(number, kind)
    ended = stack.roll_out(number, **chosen)
    assert ended.outcome is Outcome.ROLLED_BACK
    assert ended.reason.startswith(step), ended.reason
    assert_agrees(stack, 1)
    assert kind == "leaking" or not visited.failed


DEATHS = (
    "verifying it",
    "model servers: version 1 alone",
    "publishing the version",
    "model servers: label canary",
    "traffic: version 1 answers, version 9 shadows",
    "traffic: version 1 answers, version 9 answers 50%",
    "traffic: version 1 answers, version 9 answers 100%",
    "canary 50%: rolling back",
    "withdrawing the version",
)


@pytest.fixture(scope="module")
def fork_server():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.rollout_workload", "tensorflow_serving.apis.predict_pb2"])
    return context


@pytest.mark.parametrize("die_at", DEATHS)
def test_a_killed_controller_goes_on_or_back(stack, visited, unverified, fork_server, die_at):
    """Killed when it is about to act; then another finishes what it began: here by an abort, below by a promotion."""
    number = 100 + DEATHS.index(die_at)
    die_at = die_at.replace("version 9", f"version {number}")
    bad = "rolling back" in die_at or "withdrawing" in die_at
    stack.enter(number, "leaking" if bad else "good")
    chosen = {"shadow_share": 0.0} if bad else {}
    arguments = (stack.home, stack.models, stack.grpc, stack.url, number, die_at, chosen)
    child = fork_server.Process(target=run_unverified, args=arguments)
    child.start()
    child.join(100)
    assert child.exitcode == -signal.SIGKILL
    store = RolloutStore(stack.home / "rollouts")
    left = store.unfinished()
    assert left is not None and left.version == number
    if not bad:
        store.wish(left, aborted_by="test")
    ended = stack.roll_out(number, **chosen)
    assert ended.outcome is Outcome.ROLLED_BACK
    assert_agrees(stack, 1)
    assert bad or not visited.failed


def run_unverified(home, models, grpc, url, number, die_at, chosen) -> None:
    """The body of a child."""
    steps.verify_apart = lambda folder, champion: {}
    stack = Stack(home, models)
    stack.grpc, stack.url = grpc, url
    stack.roll_out_and_die(number, die_at, chosen)


@pytest.mark.parametrize("victim", ["server", "gateway"])
def test_a_killed_server_or_gateway_is_told_again(stack, visited, unverified, victim):
    number = {"server": 200, "gateway": 201}[victim]
    stack.enter(number, "good")
    killed = []

    def tell(text: str) -> None:
        if "answers 50%" in text and not killed:
            killed.append(text)
            getattr(stack, f"restart_{victim}")()

    place = stack.place(tell)
    store = RolloutStore(place.settings.state.rollouts)
    with store.control():
        controller = Controller(place, store)
        rollout = controller.begin(number, "test")
        while not rollout.step.startswith("canary 100%"):
            assert rollout.outcome is None and rollout.step != "rollback", rollout.reason
            rollout, waits_s = controller.look(rollout)
            time.sleep(waits_s)
        store.wish(rollout, aborted_by="test")
        assert controller.run(rollout).outcome is Outcome.ROLLED_BACK
    assert killed
    assert_agrees(stack, 1)


def test_a_good_version_is_promoted_and_can_be_taken_back_at_once(stack, visited):
    stack.enter(300, "good")
    ended = stack.roll_out(300, replay_texts=60)
    assert ended.outcome is Outcome.PROMOTED, ended.reason
    assert_agrees(stack, 300)
    assert stack.place(print).servers.states()[1].state == "AVAILABLE"
    (entry,) = [entry for entry in stack.registry.promotions() if entry["action"] == "promoted"]
    assert {"verify", "replay", "shadow 50%", "canary 50%", "canary 100%"} <= set(entry["figures"])
    place = stack.place(print)
    store = RolloutStore(place.settings.state.rollouts)
    with store.control():
        controller = Controller(place, store)
        assert controller.run(controller.begin_rollback("test")).outcome is Outcome.REVERTED
    assert_agrees(stack, 1)
    assert visited.failed == []
