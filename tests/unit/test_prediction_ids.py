"""Ids that say by whom and when an answer was given."""

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.prediction_ids import make_prediction_id, read_prediction_id

ROLES = st.sampled_from(["stable", "canary"])


@given(st.integers(0, 2**31 - 2), ROLES)
def test_an_id_is_a_uuid_that_says_what_it_was_made_of(version, role):
    before_s = time.time()
    name = make_prediction_id(version, role)
    said = read_prediction_id(name)
    assert (said.version, said.role) == (version, role)
    assert before_s - 0.002 < said.at.timestamp() < time.time() + 0.002
    assert (UUID(name).version, UUID(name).variant) == (8, UUID("01a21686-ce53-8000-8000-356018b5d7b7").variant)


def test_a_version_too_large_for_an_id_is_not_passed_off_as_another():
    assert read_prediction_id(make_prediction_id(20_261_126_062_423, "stable")).version is None


def test_ids_sort_by_time():
    first = make_prediction_id(9, "stable")
    time.sleep(0.003)
    assert first < make_prediction_id(1, "canary")


def test_a_mistyped_digit_is_noticed():
    noticed = 0
    for place in range(36):
        name = make_prediction_id(1234, "stable")
        typed = name[:place] + ("0" if name[place] != "0" else "1") + name[place + 1 :]
        try:
            read_prediction_id(typed)
        except ValueError:
            noticed += 1
    assert noticed >= 33, "eight bits of check: one mistake in 256 passes"


@pytest.mark.parametrize("text", ["", "7", "01a21686-ce53-7000-8000-356018b5d7b7", "not-a-uuid"])
def test_other_names_are_refused(text):
    with pytest.raises(ValueError, match="is not the id of a prediction"):
        read_prediction_id(text)
