"""From a gateway's answer to the ingest batches and the bytes, over real stores; only the training is left out."""

import csv
import hashlib
import json
import shutil

import pytest
from gateway_model import FakeModel, served
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from typer.testing import CliRunner

from sazon.cli.main import app
from sazon.registry import TAG_DIGEST, Registry
from sazon.settings import load_settings
from serving.gateway import prediction_ids
from serving.gateway.app import GatewayConfig, create_app
from serving.gateway.prediction_ids import make_prediction_id
from serving.traffic import Traffic

pytestmark = pytest.mark.integration
TEXTS = ("Rico el ceviche, bien picante", "Feo, pura grasa", "rico el ceviche bien picante!!", "Normal nomás")


@pytest.fixture
def settings(empty_mlflow):
    settings = load_settings()
    settings.state.mlflow_db.parent.mkdir(parents=True)
    shutil.copy(empty_mlflow, settings.state.mlflow_db)
    return settings


@pytest.fixture
def run(settings):
    """Runs `sazon`; what it wrote on stdout, as JSON where it was asked for."""

    def call(*arguments, code=0):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == code, (done.output, done.exception)
        if code:
            return done.output or str(done.exception)
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    return call


@pytest.fixture
def exported(settings, run, good_row, tmp_path):
    """Two ingested files, exported as one to train on."""
    for number, half in enumerate((TEXTS[:2], TEXTS[2:])):
        path = tmp_path / f"encuesta{number}.csv"
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, good_row)
            writer.writeheader()
            writer.writerows(
                {**good_row, "feedback_id": f"{number}-{row}", "text": text} for row, text in enumerate(half)
            )
        run("ingest", path, "--json")
    return run("data", "export", "--out", tmp_path / "train.csv", "--json")


def register(settings, digest):
    """A version as RegisterModel leaves it."""
    registry = Registry(settings.tracking_uri)
    experiment = registry.ensure_experiment("taste", settings.state.mlflow_artifacts.as_uri())
    made = registry.client.create_run(experiment, tags={TAG_DIGEST: digest})
    registry.client.log_param(made.info.run_id, "train.epochs", "5")
    registry.client.log_metric(made.info.run_id, "test_macro_f1", 0.75)
    registry.client.set_terminated(made.info.run_id)
    tags = {TAG_DIGEST: digest, "git_revision": "abc1234-dirty", "status": "blessed", "reason": "good"}
    version = registry.register(str(settings.state.root), made.info.run_id, None, tags)
    registry.set_alias("champion", version.number)
    return version


class Metadata:
    """Writes ML Metadata as TFX does."""

    def __init__(self, settings):
        settings.state.metadata_db.parent.mkdir(parents=True)
        config = mlmd.ConnectionConfig()
        config.sqlite.filename_uri = str(settings.state.metadata_db)
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = store = metadata_store.MetadataStore(config)
        self.contexts = {name: store.put_context_type(mlmd.ContextType(name=name)) for name in ("pipeline_run", "node")}
        self.executions = {
            name: store.put_execution_type(mlmd.ExecutionType(name=name)) for name in ("Trainer", "RegisterModel")
        }
        self.model = self.artifact("Model")

    def artifact(self, kind, **properties):
        type_id = self.store.put_artifact_type(mlmd.ArtifactType(name=kind))
        made = mlmd.Artifact(type_id=type_id)
        for name, value in properties.items():
            made.custom_properties[name].CopyFrom(
                mlmd.Value(int_value=value) if isinstance(value, int) else mlmd.Value(string_value=value)
            )
        (made.id,) = self.store.put_artifacts([made])
        return made.id

    def context(self, kind, name):
        known = self.store.get_context_by_type_and_name(kind, name)
        return known.id if known else self.store.put_contexts([mlmd.Context(type_id=self.contexts[kind], name=name)])[0]

    def execute(self, run, node, state, artifact):
        execution = mlmd.Execution(type_id=self.executions[node], last_known_state=state)
        (execution.id,) = self.store.put_executions([execution])
        event = mlmd.Event(execution_id=execution.id, artifact_id=artifact, type=mlmd.Event.OUTPUT)
        self.store.put_events([event])
        places = [self.context("pipeline_run", run), self.context("node", f"taste-training.{node}")]
        self.store.put_attributions_and_associations(
            [], [mlmd.Association(context_id=place, execution_id=execution.id) for place in places]
        )


def test_an_answer_leads_to_the_bytes_and_the_batches(settings, run, exported, tmp_path):
    version = register(settings, exported["digest"])
    metadata = Metadata(settings)
    metadata.execute("monday", "Trainer", mlmd.Execution.COMPLETE, metadata.model)  # killed before it registered
    for day in ("tuesday", "wednesday"):
        metadata.execute(day, "Trainer", mlmd.Execution.CACHED, metadata.model)
        registered = metadata.artifact("components.RegisteredVersion", version=version.number, run_id=version.run_id)
        metadata.execute(day, "RegisterModel", mlmd.Execution.COMPLETE, registered)
    # Of a registry that was deleted since.
    metadata.execute(
        "sunday",
        "RegisterModel",
        mlmd.Execution.COMPLETE,
        metadata.artifact("components.RegisteredVersion", version=version.number, run_id="gone"),
    )
    answer = ask_gateway(tmp_path, canary=version.number)

    chain = run("lineage", answer["prediction_id"], "--json")
    assert chain["missing"] == []
    assert (chain["prediction"]["version"], chain["prediction"]["role"]) == (1, "canary")
    assert (chain["version"]["aliases"], chain["version"]["status"]) == (["champion"], "blessed")
    assert chain["run"]["run_id"] == version.run_id
    assert (chain["run"]["parameters"], chain["run"]["metrics"]) == ({"train.epochs": "5"}, {"test_macro_f1": 0.75})
    assert (chain["pipeline"]["name"], chain["pipeline"]["later"]) == ("tuesday", ["wednesday"])
    executions = [(one["name"], one["state"], one["made_by"]) for one in chain["pipeline"]["executions"]]
    assert executions == [("Trainer", "cached", "monday"), ("RegisterModel", "complete", None)]
    assert chain["code"] == {"revision": "abc1234", "dirty": True}
    assert chain["data"]["digest"] == exported["digest"]
    batches = [(batch["source"], batch["accepted"]) for batch in chain["data"]["batches"]]
    assert sorted(batches) == [("encuesta0.csv", 2), ("encuesta1.csv", 2)]

    run("data", "push")
    run("data", "checkout", chain["data"]["digest"][:10], "--out", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "train.csv").read_bytes()
    assert run("lineage", "champion", "--json")["data"] == chain["data"]
    (listed,) = run("data", "versions", "--json")
    assert (listed["runs"], listed["versions"]) == ([version.run_id], [1])
    assert run("lineage", exported["digest"][:8], "--json")["used_by"] == {"runs": [version.run_id], "versions": [1]}
    shown = run("lineage", answer["prediction_id"])
    for word in ("as canary", "test_macro_f1 0.75", "from monday", "abc1234 with uncommitted changes", "encuesta0.csv"):
        assert word in shown


def ask_gateway(folder, canary):
    model = FakeModel()
    model.versions[canary] = "negative"
    Traffic(stable=7, canary=canary, canary_share=1.0).write(folder / "traffic.json")
    with served(model) as address:
        client = create_app(GatewayConfig(address, traffic=folder / "traffic.json")).test_client()
        return client.post("/api/v1/predict", json={"text": "rico"}).json


def test_an_export_is_the_same_bytes_each_time_and_keeps_near_duplicates_together(run, exported, tmp_path):
    assert exported["digest"] == hashlib.sha256((tmp_path / "train.csv").read_bytes()).hexdigest()
    assert run("data", "export", "--out", tmp_path / "other.csv", "--json")["digest"] == exported["digest"]
    with (tmp_path / "train.csv").open() as stream:
        rows = {row["feedback_id"]: row for row in csv.DictReader(stream)}
    assert rows["0-0"]["family"] == rows["1-0"]["family"] == "0-0"
    assert rows["0-1"]["family"] == rows["1-1"]["family"] == ""
    assert "split" not in rows["0-0"]
    assert run("data", "validate", tmp_path / "train.csv", "--json")["bad_rows"] == 0


def test_what_is_not_found_is_said(settings, run, monkeypatch):
    unknown = "0" * 64
    version = register(settings, unknown)
    chain = run("lineage", str(version.number), "--json")
    assert chain["pipeline"] is chain["data"] is None
    assert [line.split(":")[0] for line in chain["missing"]] == ["pipeline run", "data"]
    elsewhere = run("lineage", make_prediction_id(99, "stable"), "--json")
    assert elsewhere["version"] is None
    assert elsewhere["missing"] == ["version: 99 is not in this registry (deleted, or another installation answered)"]
    with monkeypatch.context() as patch:
        patch.setattr(prediction_ids.time, "time_ns", lambda: 10**18)
        early = make_prediction_id(version.number, "stable")
    last = run("lineage", early, "--json")["missing"][-1]
    assert last == "version: 1 was registered here only after that answer, so another installation gave it"
    assert "not in the registry" in run("lineage", "99", code=1)
    assert "no such data is recorded" in run("lineage", "abcdef12", code=1)
    assert "is not a digest" in run("lineage", "¿qué?", code=1)
