from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.check_anomalies import list_anomalies
from components.schema import curated_schema
from sazon import schema


def test_the_curated_schema_holds_the_closed_vocabularies():
    domains = {feature.name: tuple(feature.string_domain.value) for feature in curated_schema().feature}
    assert domains["region"] == schema.REGIONS
    assert domains["sentiment"] == schema.SENTIMENTS
    assert domains["tastes"] == schema.TASTES
    assert len(schema.REGIONS) == 25
    assert len(schema.TASTES) == 10


def test_anomalies_are_listed_one_a_line(tmp_path: Path):
    found = anomalies_pb2.Anomalies()
    found.anomaly_info["region"].description = "Unexpected string values: Atlantis."
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "SchemaDiff.pb").write_bytes(found.SerializeToString())
    assert list_anomalies(tmp_path) == ["train, region: Unexpected string values: Atlantis."]
