"""Versions of features against a count by hand: late arrivals, ties, empty histories, unknown keys."""

from datetime import timedelta

import pandas as pd
import polars as pl
import pytest
from feature_reference import daily_figures, latest_figures
from hypothesis import given, settings
from hypothesis import strategies as st

from data.figures import FAMILIES, daily_history, latest_history, market_history
from data.history import newest
from data.measures import from_pandas, measure_feedback, measure_market

START = pd.Timestamp("2025-01-01", tz="UTC")
KEYS = (("product", "region"), ("product",), ("region",))
# Minutes that fall on midnights, on each other and in between; delays within the day, over days, and as history.
MOMENT = st.integers(0, 40 * 24 * 4).map(lambda quarters: START + pd.Timedelta(minutes=15 * quarters))
DELAY = st.sampled_from([0, 1, 60, 24 * 60, 3 * 24 * 60, 9 * 24 * 60, 30 * 24 * 60]).map(lambda m: timedelta(minutes=m))
ROW = st.tuples(
    st.sampled_from(["ceviche", "causa"]),
    st.sampled_from(["Lima", "Puno"]),
    MOMENT,
    DELAY,
    st.sampled_from([1.0, 3.0, 5.0, float("nan")]),
    st.sampled_from(["positive", "negative", ""]),
)
ASKED = st.lists(st.one_of(MOMENT, st.integers(0, 80).map(lambda day: START + timedelta(days=day))), max_size=8)


def as_rows(history):
    return [
        {
            "product": product,
            "region": region,
            "created_at": at,
            "ingested_at": at + delay,
            "rating": rating,
            "sentiment": sentiment,
        }
        for product, region, at, delay, rating, sentiment in history
    ]


def read(history, names, at):
    """What every entity has at a moment."""
    return {tuple(row[name] for name in names): row for row in newest(history, list(names), at).to_dicts()}


def agree(found, expected):
    if expected is None or found is None:
        return found is expected
    return all(
        found[name] == value or found[name] == pytest.approx(value, abs=1e-5) for name, value in expected.items()
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=14), ASKED)
def test_what_is_read_at_a_moment_is_what_had_happened_and_was_known(history, asked):
    rows = as_rows(history)
    measured = measure_feedback(from_pandas(pd.DataFrame(rows))).collect().lazy()
    moments = {*asked, *(row["ingested_at"] for row in rows), *(row["created_at"] for row in rows)}
    tables = [(names, daily_history(measured, names, ("stats", "sentiment")), daily_figures) for names in KEYS]
    for names, table, count in [*tables, (KEYS[0], latest_history(measured, KEYS[0]), latest_figures)]:
        entities = {tuple(row[name] for name in names) for row in rows} | {("?",) * len(names)}
        for at in moments:
            found = read(table, names, at)
            for entity in entities:
                expected = count(rows, dict(zip(names, entity, strict=True)), at)
                assert agree(found.get(entity), expected), (entity, at)


def test_no_rows_give_no_figures():
    table = measure_feedback(from_pandas(pd.DataFrame(as_rows([("a", "b", START, timedelta(), 1.0, "")]))).limit(0))
    assert daily_history(table, KEYS[0], tuple(FAMILIES)).is_empty()
    assert latest_history(table, KEYS[0]).is_empty()


def test_labels_joined_in_a_cell_count_as_a_list_of_them_does():
    rows = pd.DataFrame(as_rows([("a", "b", START, timedelta(), 1.0, each) for each in ("", "positive", "negative")]))
    listed = measure_feedback(from_pandas(rows.assign(tastes=[None, (), ("dulce", "acido")]))).collect()
    joined = from_pandas(rows).with_columns(pl.Series("tastes", ["", "", "dulce|acido"]))
    assert measure_feedback(joined).collect().equals(listed)
    assert listed["tasted"].to_list() == [0, 1, 1]


def test_a_week_of_the_market_is_told_when_it_is_over_and_a_correction_when_it_came():
    weeks = [("2025-01-06", 10.0, "2025-01-07"), ("2025-01-13", 20.0, "2025-01-21"), ("2025-01-13", 40.0, "2025-02-01")]
    rows = pl.DataFrame(
        {
            "date": [week for week, _, _ in weeks],
            "product": "ceviche",
            "region": "Lima",
            "search_index": 50.0,
            "units_sold": 100,
            "price_pen": [price for _, price, _ in weeks],
            "ingested_at": [pd.Timestamp(came, tz="UTC") for _, _, came in weeks],
        }
    )
    history = market_history(measure_market(rows.lazy()))
    prices = {}
    for day in ("2025-01-12", "2025-01-13", "2025-01-20", "2025-01-21", "2025-02-01"):
        found = read(history, KEYS[0], pd.Timestamp(day, tz="UTC")).get(("ceviche", "Lima"))
        prices[day] = found and (found["price_pen"], found["price_pen_mean_90d"])
    assert prices == {
        "2025-01-12": None,
        "2025-01-13": (10.0, 10.0),
        "2025-01-20": (10.0, 10.0),
        "2025-01-21": (20.0, 15.0),
        "2025-02-01": (40.0, 25.0),
    }
