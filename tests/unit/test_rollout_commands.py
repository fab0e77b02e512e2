"""What the command line adds to the state machine: who may approve, and the steps of `--canary`."""

import time

import pytest

from sazon.cli.rollout import _settings, approve
from sazon.errors import SettingsError, UserError
from sazon.settings import load_settings
from serving.rollout.controller import APPROVAL, LOAD
from serving.rollout.store import Rollout, RolloutStore, now


@pytest.fixture
def store():
    return begun((APPROVAL,))


def begun(plan):
    """A rollout in the first step of its plan."""
    made = RolloutStore(load_settings().state.rollouts)
    first = {"step": plan[0], "started_by": "luis", "started_at": now(), "entered_at": time.time()}
    made.begin(Rollout(id=0, version=2, champion=1, previous=None, plan=plan, **first))
    return made


def test_only_those_who_are_named_may_approve(store, monkeypatch):
    monkeypatch.setenv("SAZON_ROLLOUT__APPROVERS", '["ana", "rosa"]')
    with pytest.raises(UserError, match=r"luis may not approve a rollout; rollout\.approvers names ana, rosa"):
        approve(by="luis")
    assert store.last().approved_by is None
    approve(by="rosa")
    assert store.last().approved_by == "rosa"


def test_anyone_may_approve_where_nobody_is_named(store):
    approve(by="luis")
    assert store.last().approved_by == "luis"


@pytest.mark.parametrize(("plan", "why"), [((LOAD, APPROVAL), "not yet"), ((LOAD,), r"rollout\.approval is off")])
def test_nothing_is_approved_before_its_figures_are_there(plan, why):
    store = begun(plan)
    with pytest.raises(UserError, match=f"in step load and waits for no approval: {why}"):
        approve(by="luis")
    assert store.last().approved_by is None


def test_the_last_step_of_the_settings_follows_the_given_ones():
    assert _settings([25.0, 10.0]).rollout.steps == (0.1, 0.25, 0.95)
    with pytest.raises(SettingsError, match="the champion answers the rest"):
        _settings([100.0])
