"""A real Feast: what is materialised is read back online, by the gateway's own reader."""

import pandas as pd
import pytest

from feature_repo.materialisation import aggregate, materialise
from serving.gateway.features import FeastFeatureReader

pytestmark = pytest.mark.integration


def test_the_newest_value_of_each_key_is_read_back(feedback_rows, tmp_path):
    folder = tmp_path / "features"
    done = materialise(feedback_rows, folder)
    newest = aggregate(feedback_rows).sort_values("event_timestamp").groupby(["product", "region"]).last()
    assert done["keys"] == len(newest) == 4
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
    assert FeastFeatureReader(folder).read("ceviche", "Lima") == {"rating_mean_30d": 1.0, "volume_30d": 1}
