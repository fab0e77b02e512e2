import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.splitting import assign_splits
from sazon.schema import SPLITS
from sazon.text import normalise_for_grouping

ROWS = st.lists(
    st.tuples(st.sampled_from("abcdefghij"), st.sampled_from(["", "x", "y", "z"]), st.integers(0, 400)),
    min_size=1,
    max_size=60,
)


def table(rows):
    frame = pd.DataFrame(rows, columns=["text", "family", "day"])
    frame["created_at"] = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(frame.pop("day"), unit="D")
    return frame


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_no_text_and_no_family_is_on_two_sides(rows):
    frame = table(rows)
    frame["split"] = assign_splits(frame.drop(columns="split", errors="ignore"), 0.1, 0.2)
    assert frame.groupby(frame["text"].map(normalise_for_grouping))["split"].nunique().max() == 1
    families = frame[frame["family"] != ""]
    assert families.empty or families.groupby("family")["split"].nunique().max() == 1


def test_the_test_split_is_the_latest_part():
    frame = table([(f"texto número {day}", "", day) for day in range(100)])
    split = assign_splits(frame, 0.1, 0.2)
    assert split.value_counts().to_dict() == {"train": 70, "eval": 10, "test": 20}
    assert frame.loc[split == "train", "created_at"].max() < frame.loc[split == "eval", "created_at"].min()
    assert frame.loc[split == "eval", "created_at"].max() < frame.loc[split == "test", "created_at"].min()


def test_a_given_split_is_honoured():
    frame = table([("a", "", 1), ("b", "", 2)]).assign(split=["test", "train"])
    assert assign_splits(frame, 0.1, 0.2).tolist() == ["test", "train"]


SPELLINGS = st.sampled_from(["{}", "{}!!", "  {} ", "¡{}!", "{}\u0301"]).flatmap(
    lambda form: st.sampled_from(["rico", "Rico", "RICO", "rícO", "feo", "señor", "senor", "😋", "muy  rico"]).map(
        form.format
    )
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(SPELLINGS, st.sampled_from(SPLITS)), min_size=1, max_size=40))
def test_no_text_is_on_two_sides_of_a_given_split_either(rows):
    frame = pd.DataFrame(rows, columns=["text", "split"])
    sides = assign_splits(frame, 0.1, 0.2)
    keys = frame["text"].map(normalise_for_grouping)
    assert sides.groupby(keys).nunique().max() == 1
    # What is held out stays so, and a text of one side stays there.
    before, after = frame["split"].map(SPLITS.index), sides.map(SPLITS.index)
    assert (after >= before).all()
    alone = before.groupby(keys).transform("nunique") == 1
    assert (after[alone] == before[alone]).all()


def test_large_families_leave_no_split_empty():
    frame = table([(f"texto {day}", f"familia {day // 20}", day) for day in range(100)])
    assert assign_splits(frame, 0.1, 0.15).value_counts().to_dict() == {"train": 60, "eval": 20, "test": 20}
