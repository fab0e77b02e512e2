"""A real Feast: what is materialised is read back online, by the gateway's own reader."""

import pandas as pd
import pytest

from data.context import CONTEXT, EVENT_TIMESTAMP, aggregate, context_of
from feature_repo.definitions import CONTEXT_SERVICE
from feature_repo.materialisation import materialise
from serving.gateway.features import FeastFeatureReader

pytestmark = pytest.mark.integration


def test_the_newest_value_of_each_key_is_read_back(feedback_rows, tmp_path):
    folder = tmp_path / "features"
    done = materialise(feedback_rows, folder)
    newest = aggregate(feedback_rows, ("product", "region")).sort_values(EVENT_TIMESTAMP)
    newest = newest.groupby(["product", "region"]).last()
    assert len(newest) == 4
    assert done["keys"] == 4 + 2 + 2
    reader = FeastFeatureReader(folder)
    for (product, region), row in newest.iterrows():
        answer = reader.read(product, region)
        assert answer["volume_30d"] == row["volume_30d"]
        assert answer["rating_mean_30d"] == pytest.approx(row["rating_mean_30d"], abs=1e-5)
    assert set(reader.read("ceviche", "Tacna").values()) == {None}


def test_materialising_again_changes_nothing_and_new_rows_arrive(feedback_rows, tmp_path):
    folder = tmp_path / "features"
    materialise(feedback_rows, folder)
    before = FeastFeatureReader(folder).read("ceviche", "Lima")
    materialise(feedback_rows, folder)
    assert FeastFeatureReader(folder).read("ceviche", "Lima") == before
    late = feedback_rows.iloc[:1].assign(
        created_at="2025-06-20T12:00:00Z", product="ceviche", region="Lima", rating=1.0
    )
    materialise(pd.concat([feedback_rows, late]), folder)
    answer = FeastFeatureReader(folder).read("ceviche", "Lima")
    assert (answer["rating_mean_30d"], answer["volume_30d"]) == (1.0, 1)


def test_the_context_that_trains_is_the_one_that_feast_joins_point_in_time(feedback_rows, tmp_path):
    from feast import FeatureStore

    materialise(feedback_rows, tmp_path)
    store = FeatureStore(repo_path=str(tmp_path))
    asked = feedback_rows[["product", "region"]].assign(
        event_timestamp=pd.to_datetime(feedback_rows["created_at"], utc=True), place=range(len(feedback_rows))
    )
    service = store.get_feature_service(CONTEXT_SERVICE)
    joined = store.get_historical_features(asked, service, full_feature_names=True).to_df().sort_values("place")
    # Feast answers rows of the same moment, product and region once, and leaves out those that come before all figures.
    whole = context_of(feedback_rows)
    expected = whole.iloc[joined["place"]]
    alone = ~asked.drop(columns="place").duplicated(keep=False)
    left_out = whole[alone & ~whole.index.isin(expected.index)]
    assert len(expected) > 30
    assert left_out.isna().any(axis=1).all()
    pd.testing.assert_frame_equal(
        joined[list(CONTEXT)].astype("float32").reset_index(drop=True), expected.reset_index(drop=True)
    )


def test_the_context_that_is_served_is_the_newest_and_unknown_where_nothing_was_named(feedback_rows, tmp_path):
    materialise(feedback_rows, tmp_path)
    reader = FeastFeatureReader(tmp_path)
    served = dict(zip(CONTEXT, reader.read_context("ceviche", None), strict=True))
    newest = aggregate(feedback_rows, ("product",)).query("product == 'ceviche'").iloc[-1]
    for name, value in served.items():
        view, figure = name.split("__")
        if view == "product_stats":
            assert value == pytest.approx(newest[figure], abs=1e-5)
        else:
            assert value != value
    both = dict(zip(CONTEXT, reader.read_context("ceviche", "Lima"), strict=True))
    assert all(value == value for value in both.values())
