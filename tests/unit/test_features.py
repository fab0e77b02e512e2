import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.definitions import EVENT_TIMESTAMP, RATING_MEAN, VOLUME
from feature_repo.materialisation import aggregate

START = pd.Timestamp("2025-01-01", tz="UTC")
HISTORY = st.lists(
    st.tuples(
        st.sampled_from(["ceviche", "causa"]),
        st.sampled_from(["Lima", "Puno"]),
        st.integers(0, 24 * 90),
        st.sampled_from([1.0, 3.0, 5.0, float("nan")]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(HISTORY)
def test_figures_are_those_of_the_thirty_days_before_and_of_no_later_row(history):
    rows = pd.DataFrame(history, columns=["product", "region", "hour", "rating"])
    rows["created_at"] = START + pd.to_timedelta(rows["hour"], unit="h")
    for line in aggregate(rows).to_dict("records"):
        at = line[EVENT_TIMESTAMP]
        window = rows[
            (rows["product"] == line["product"])
            & (rows["region"] == line["region"])
            & (rows["created_at"] < at)
            & (rows["created_at"] >= at - pd.Timedelta(days=30))
        ]
        assert line[VOLUME] == len(window)
        expected = window["rating"].mean()
        assert (pd.isna(expected) and pd.isna(line[RATING_MEAN])) or abs(line[RATING_MEAN] - expected) < 1e-5
