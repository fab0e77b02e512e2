"""What Feast joins point in time, and what it reads online from SQLite and from a real Redis."""

import json
import os
import shutil
import socket
import subprocess
import time
from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from feature_reference import daily_figures, latest_figures
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from data.measures import from_pandas
from feature_repo import online, store_config
from feature_repo.definitions import CONTEXT_SERVICE, INSIGHT_SERVICE, version_service
from feature_repo.following import push
from feature_repo.materialisation import materialise, materialise_rows, open_store
from feature_repo.point_in_time import join
from sazon.cli.main import app
from sazon.errors import UserError
from sazon.settings import FeatureSettings
from serving.gateway.features import FeastFeatureReader
from serving.gateway.freshness import FeatureFreshness

pytestmark = pytest.mark.integration

NOW = pd.Timestamp.now(tz="UTC").floor("s")
# One of each family and entity: the others are made by the same code.
COMPARED = {
    "product_region_stats", "product_sentiment", "region_tastes", "product_region_momentum", "product_region_market",
    "product_region_latest", "feedback_age", "price_position",
}  # fmt: skip


def make_rows(count, products, seed, days=120):
    """Feedback up to now, ingested at night; a quarter of it came days late."""
    rng = np.random.default_rng(seed)
    created = NOW - pd.to_timedelta(rng.integers(60, days * 86_400, count), unit="s")
    ingested = (created + pd.to_timedelta(rng.choice([0, 0, 0, 5], count), unit="D")).ceil("D")
    return pd.DataFrame(
        {
            "product": [f"p{number}" for number in rng.integers(0, products, count)],
            "region": rng.choice(["Lima", "Puno", "Áncash"], count),
            "created_at": created,
            "ingested_at": np.minimum(ingested, NOW),
            "rating": rng.choice([1.0, 2.0, 5.0, np.nan], count),
            "sentiment": rng.choice(["positive", "neutral", ""], count),
            "tastes": [("picante",) if number % 2 else None for number in range(count)],
        }
    )


def make_market(products):
    weeks = [(NOW - timedelta(days=7 * week)).date() for week in range(1, 9)]
    cells = [
        (week, f"p{p}", "Lima", 10.0 * p, 100, 5.0 + number) for number, week in enumerate(weeks) for p in products
    ]
    names = ["date", "product", "region", "search_index", "units_sold", "price_pen"]
    return pl.LazyFrame(cells, schema=names, orient="row")


@pytest.fixture(params=["sqlite", "redis"])
def online_store(request, tmp_path):
    """Settings of either online store; the Redis is a real server of the test's own."""
    if request.param == "sqlite":
        yield FeatureSettings()
        return
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "redis"
    folder.mkdir()
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield FeatureSettings(online="redis", redis=f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port):
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"no Redis at port {port}")


def test_feast_joins_what_had_happened_and_was_known(tmp_path):
    rows = make_rows(300, products=2, seed=1)
    materialise(rows, tmp_path)
    store = open_store(tmp_path, FeatureSettings())
    records = rows.to_dict("records")
    keys = [("p0", "Lima"), ("p1", "Puno"), ("p9", "Lima"), ("p0", "Áncash")]
    moments = [NOW.floor("D") - timedelta(days=day) for day in (0, 1, 3, 30, 100, 200)]
    moments += [*rows["ingested_at"][:8], *rows["created_at"][:8]]
    asked = pd.DataFrame(
        [(*key, at) for key in keys for at in moments], columns=["product", "region", "event_timestamp"]
    )
    asked = pd.concat([asked, asked.iloc[:3]], ignore_index=True)
    found = join(store, asked, [f"product_region_{view}:{name}" for view, name in (
        ("stats", "volume_7d"), ("stats", "volume_90d"), ("stats", "rating_mean_30d"), ("latest", "feedback_total"),
    )])  # fmt: skip
    assert found.index.equals(asked.index)
    for (_, row), (_, features) in zip(asked.iterrows(), found.iterrows(), strict=True):
        own, at = {"product": row["product"], "region": row["region"]}, row["event_timestamp"]
        daily, latest = daily_figures(records, own, at) or {}, latest_figures(records, own, at) or {}
        for name, value in features.items():
            expected = {**daily, **latest}.get(name.split("__")[1])
            assert (pd.isna(value) and expected is None) or value == pytest.approx(expected), (own, at, name)


def test_online_is_what_offline_gives_for_a_thousand_keys(online_store, tmp_path):
    rows = make_rows(2500, products=400, seed=2)
    materialise_rows(from_pandas(rows), make_market(range(100)), tmp_path, online_store)
    store = open_store(tmp_path, online_store)
    keys = [(f"p{number}", region) for number in range(420) for region in ("Lima", "Puno", "Áncash", "Tacna")]
    chosen = np.random.default_rng(3).permutation(len(keys))[:1000]
    asked = pd.DataFrame([keys[place] for place in chosen], columns=["product", "region"]).assign(
        event_timestamp=pd.Timestamp.now(tz="UTC"), asked_at=NOW, offered_price_pen=7.0
    )
    views = store.get_feature_service(INSIGHT_SERVICE).feature_view_projections
    names = [f"{view.name}:{field.name}" for view in views if view.name in COMPARED for field in view.features]
    offline = join(store, asked, names)
    entity_rows = asked.drop(columns="event_timestamp").to_dict("records")
    answer = store.get_online_features(names, entity_rows, full_feature_names=True).to_dict()
    assert set(offline) == set(answer) - {"product", "region"}
    for name in offline:
        expected, values = offline[name], pd.Series(answer[name], dtype="object")
        if name.endswith("_at"):
            expected, values = pd.to_datetime(expected, utc=True), pd.to_datetime(values, utc=True)
            assert (expected.isna() == values.isna()).all() and (expected.dropna() == values.dropna()).all(), name
        else:
            numbers = values.astype("float64").to_numpy()
            np.testing.assert_allclose(numbers, expected.astype("float64").to_numpy(), rtol=1e-6, err_msg=name)
    told = offline.notna().mean()
    assert told["product_region_stats__volume_7d"] > 0.3
    assert 0 < told["product_region_momentum__volume_momentum_7_30d"] < told["product_region_stats__volume_7d"]
    assert told["price_position__price_to_mean_90d"] > 0
    assert told["feedback_age__days_since_feedback"] > 0.3


def test_only_changes_are_written_and_keys_of_earlier_data_leave(online_store, tmp_path):
    rows = make_rows(300, products=3, seed=4)
    market = make_market(range(2))
    first = materialise_rows(from_pandas(rows), market, tmp_path, online_store)
    assert first["written"] > 0
    again = materialise_rows(from_pandas(rows), market, tmp_path, online_store)
    assert (again["written"], again["removed"]) == (0, 0)
    fewer = rows[rows["product"] != "p0"]
    assert materialise(fewer, tmp_path, online_store)["removed"] > 0
    reader = FeastFeatureReader(tmp_path)
    assert set(reader.read("p0", "Lima").values()) == {None}
    assert reader.read("p1", "Lima")["volume_90d"] > 0
    price = open_store(tmp_path, online_store).get_online_features(
        ["product_region_market:price_pen"], [{"product": "p0", "region": "Lima"}]
    )
    assert price.to_dict()["price_pen"] == [5.0]


@pytest.mark.parametrize("killed_in", ["remove_keys", "_send"])
def test_a_killed_materialisation_is_put_right_by_the_next_one(killed_in, tmp_path, monkeypatch):
    rows = make_rows(300, products=3, seed=5)
    materialise(rows[rows["product"] != "p2"], tmp_path)
    whole, calls = getattr(online, killed_in), []

    def stop_at_the_third(*arguments):
        calls.append(whole(*arguments))
        if len(calls) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(online, killed_in, stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            materialise(rows[rows["product"] != "p0"], tmp_path)
    materialise(rows[rows["product"] == "p1"], tmp_path)
    reader, clean = FeastFeatureReader(tmp_path), tmp_path / "clean"
    materialise(rows[rows["product"] == "p1"], clean)
    for product in ("p0", "p1", "p2"):
        assert reader.read(product, "Lima") == FeastFeatureReader(clean).read(product, "Lima")
    assert set(reader.read("p2", "Lima").values()) == {None}


def test_ingested_rows_are_pushed(online_store, tmp_path):
    rows = make_rows(200, products=2, seed=6)
    materialise(rows, tmp_path, online_store)
    store = open_store(tmp_path, online_store)
    new = rows.iloc[:1].assign(product="p0", region="Lima", created_at=NOW, ingested_at=NOW + timedelta(seconds=1))
    everything = pd.concat([rows, new])
    time.sleep(max(0.0, (NOW + timedelta(seconds=1) - pd.Timestamp.now(tz="UTC")).total_seconds()))
    assert push(store, from_pandas(everything), NOW.to_pydatetime(), tmp_path, online_store) == 1
    features = ["product_region_latest:feedback_total", "product_region_latest:last_feedback_at"]
    answer = store.get_online_features(features, [{"product": "p0", "region": "Lima"}]).to_dict()
    before = ((rows["product"] == "p0") & (rows["region"] == "Lima")).sum()
    assert answer["feedback_total"] == [before + 1]
    assert pd.Timestamp(answer["last_feedback_at"][0]) == NOW
    assert materialise(everything, tmp_path, online_store)["views"]["product_region_latest"]["written"] == 0


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    """A store with a SQL registry that two versions were trained from, and its settings."""
    folder = tmp_path_factory.mktemp("shared")
    settings = FeatureSettings(registry=f"sqlite:///{folder / 'shared.db'}")
    for version in (7, 8):
        materialise(make_rows(50, products=1, seed=7), folder, settings, version=version)
    return folder, settings


def test_a_version_has_the_service_that_it_was_trained_with(shared_store):
    store = open_store(*shared_store)
    context = store.get_feature_service(CONTEXT_SERVICE)
    for version in (7, 8):
        service = store.get_feature_service(version_service(version))
        assert service.feature_view_projections == context.feature_view_projections


def test_the_gateway_reads_through_a_sql_registry(shared_store):
    folder, _ = shared_store
    assert FeastFeatureReader(folder).read("p0", "Lima")["volume_90d"] > 0
    assert not (folder / "registry.db").exists()


def test_freshness_is_shown_to_prometheus(shared_store, tmp_path):
    newest, registry = "sazon_features_newest_timestamp_seconds", CollectorRegistry()
    assert next(FeatureFreshness(tmp_path).collect()).samples == []
    registry.register(FeatureFreshness(shared_store[0]))
    age_s = NOW.timestamp() - registry.get_sample_value(newest, {"view": "product_region_stats"})
    assert 0 <= age_s < 20 * 86_400


def test_profiles_are_rendered(tmp_path, monkeypatch):
    settings = FeatureSettings(
        offline="spark", online="redis", redis="redis:6379,password=$REDIS_PASSWORD", registry="postgresql://db/feast"
    )
    text = store_config.render(tmp_path, settings)
    for line in ("type: spark", "spark.master: local[*]", "type: redis", "registry_type: sql", "skip_dedup: true"):
        assert line in text
    assert "password=$REDIS_PASSWORD" in text
    assert os.environ.get("REDIS_PASSWORD") is None


def test_the_command_line_fills_the_store_from_ingested_rows(feedback_file):
    run = CliRunner().invoke
    assert run(app, ["features", "status"]).output == "nothing materialised yet (do: sazon features materialise)\n"
    with pytest.raises(UserError, match="sazon ingest"):
        run(app, ["features", "materialise"], catch_exceptions=False, standalone_mode=False)
    texts = ("Rico el ceviche", "Muy salado el ceviche de la esquina", "Normal nomás, nada que decir de esta comida")
    assert run(app, ["ingest", str(feedback_file(*({"text": text} for text in texts)))]).exit_code == 0
    done = json.loads(run(app, ["features", "materialise", "--json"]).stdout)
    assert done["keys"] == 3 and done["written"] > 0
    assert json.loads(run(app, ["features", "materialise", "--json"]).stdout)["written"] == 0
    assert json.loads(run(app, ["features", "status", "--json"]).stdout)["product_stats"]["keys"] == 1
    found = run(app, ["features", "get", "--product", "ceviche", "--region", "Lima", "--json"])
    values = json.loads(found.stdout)
    assert values["product_region_latest__feedback_total"] == values["product_stats__volume_90d"] == 3
    assert values["feedback_age__days_since_feedback"] > 100
    assert values["product_momentum__volume_momentum_7_30d"] is None
