"""Rollouts on a real model server and gateway: bad versions go back by themselves, a good one is promoted."""

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


def test_a_good_version_is_promoted_and_can_be_taken_back_at_once(stack, visited):
    stack.enter(300, "good")
    ended = stack.roll_out(300, replay_texts=60)
    assert ended.outcome is Outcome.PROMOTED, ended.reason
    assert_agrees(stack, 300)
    assert stack.place(print).servers.states()[1].state == "AVAILABLE"
    (entry,) = [entry for entry in stack.registry.promotions() if entry["action"] == "promoted"]
    assert {"verify", "replay", "shadow 50%", "canary 50%", "canary 75%"} <= set(entry["figures"])
    place = stack.place(print)
    store = RolloutStore(place.settings.state.rollouts)
    with store.control():
        controller = Controller(place, store)
        assert controller.run(controller.begin_rollback("test")).outcome is Outcome.REVERTED
    assert_agrees(stack, 1)
    assert visited.failed == []
