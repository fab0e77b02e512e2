import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.context import CONTEXT, EVENT_TIMESTAMP, GROUPINGS, RATING_MEAN, VOLUME, WINDOWS_DAYS, aggregate, context_of

START = pd.Timestamp("2025-01-01", tz="UTC")
HISTORY = st.lists(
    st.tuples(
        st.sampled_from(["ceviche", "causa"]),
        st.sampled_from(["Lima", "Puno"]),
        st.integers(0, 24 * 150),
        st.sampled_from([1.0, 3.0, 5.0, float("nan")]),
    ),
    min_size=1,
    max_size=20,
)


def as_rows(history):
    rows = pd.DataFrame(history, columns=["product", "region", "hour", "rating"])
    return rows.assign(created_at=START + pd.to_timedelta(rows["hour"], unit="h"))


def expect(figures, rows, keys, at, prefix=""):
    """Compares one line of figures with those counted by hand over the days before `at`."""
    for days in WINDOWS_DAYS:
        window = rows[(rows["created_at"] < at) & (rows["created_at"] >= at - pd.Timedelta(days=days))]
        for key, value in keys.items():
            window = window[window[key] == value]
        assert figures[prefix + VOLUME.format(days)] == len(window)
        mean, expected = figures[prefix + RATING_MEAN.format(days)], window["rating"].mean()
        assert (pd.isna(expected) and pd.isna(mean)) or abs(mean - expected) < 1e-5


@settings(max_examples=8, deadline=None)
@given(HISTORY)
def test_figures_are_those_of_the_days_before_and_of_no_later_row(history):
    rows = as_rows(history)
    for keys in GROUPINGS.values():
        for line in aggregate(rows, keys).to_dict("records"):
            expect(line, rows, {key: line[key] for key in keys}, line[EVENT_TIMESTAMP])


@settings(max_examples=8, deadline=None)
@given(HISTORY)
def test_the_context_of_a_row_is_what_was_known_when_the_last_day_with_feedback_before_it_ended(history):
    rows = as_rows(history)
    context = context_of(rows)
    assert tuple(context.columns) == CONTEXT
    for (_, row), (_, figures) in zip(rows.iterrows(), context.iterrows(), strict=True):
        for view, keys in GROUPINGS.items():
            own = {key: row[key] for key in keys}
            midnight = row["created_at"].floor("D")
            earlier = rows[rows["created_at"] < midnight]
            for key, value in own.items():
                earlier = earlier[earlier[key] == value]
            if earlier.empty:
                assert figures[[name for name in CONTEXT if name.startswith(f"{view}__")]].isna().all()
            else:
                known_at = earlier["created_at"].max().floor("D") + pd.Timedelta(days=1)
                expect(figures, rows, own, known_at, f"{view}__")


@settings(max_examples=6, deadline=None)
@given(HISTORY, st.integers(0, 19), st.sampled_from([1.0, 5.0]))
def test_neither_its_own_rating_nor_a_later_row_changes_a_context(history, place, rating):
    rows = as_rows(history)
    place %= len(rows)
    before = context_of(rows).iloc[place]
    changed = rows["created_at"] >= rows["created_at"].iloc[place]
    other = rows.assign(rating=rows["rating"].where(~changed, rating))
    pd.testing.assert_series_equal(context_of(other).iloc[place], before)
    pd.testing.assert_series_equal(context_of(rows[~changed | (rows.index == place)]).loc[place], before)
