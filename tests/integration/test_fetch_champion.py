"""The champion's way from a real MLflow into the pipeline, under TFX's own local runner and its cache."""

import shutil
import socket
from pathlib import Path

import mlflow
import pytest

from components import tfdv_compat

tfdv_compat.install()

from ml_metadata.proto import metadata_store_pb2 as mlmd  # noqa: E402
from mlflow.models import ModelSignature  # noqa: E402
from mlflow.types import ColSpec, Schema  # noqa: E402

from components.fetch_champion import FetchChampion, find_champion  # noqa: E402
from models.export.saved_model import TrainingRecord  # noqa: E402
from models.registration import pyfunc  # noqa: E402
from sazon.errors import RegistryError  # noqa: E402
from sazon.registry import CHAMPION, TAG_TRAINING, Registry  # noqa: E402

pytestmark = pytest.mark.integration


def trained(folder: Path, run_id: str) -> Path:
    """A Model artifact as the Trainer leaves it, with a file in place of a graph."""
    saved_model = folder / "Format-Serving"
    saved_model.mkdir(parents=True)
    (saved_model / "saved_model.pb").write_text(run_id)
    TrainingRecord(run_id, 1.0, 1, 1, [0.5] * 10, []).write(saved_model)
    return folder


def register(registry: Registry, model: Path, run_id: str) -> int:
    with mlflow.start_run() as run:
        info = mlflow.pyfunc.log_model(
            name="taste",
            python_model=pyfunc.__file__,
            artifacts={"saved_model": str(model / "Format-Serving")},
            signature=ModelSignature(inputs=Schema([ColSpec("string", "text")])),
            pip_requirements=["pandas"],
        )
    return registry.register(info.model_uri, run.info.run_id, info.model_id, {TAG_TRAINING: run_id}).number


class LocalRuns:
    """Runs FetchChampion and what follows it, and tells which of the two ran."""

    def __init__(self, folder: Path, candidate: Path) -> None:
        self.folder, self.candidate = folder, candidate
        self.known: set[int] = set()

    def run(self) -> tuple[set[str], Path]:
        from champion_reader import ReadChampion
        from tfx.dsl.components.common.importer import Importer
        from tfx.orchestration import metadata
        from tfx.orchestration.local.local_dag_runner import LocalDagRunner
        from tfx.orchestration.pipeline import Pipeline
        from tfx.types.standard_artifacts import Model

        importer = Importer(source_uri=str(self.candidate), artifact_type=Model).with_id("candidate")
        fetch = FetchChampion(model=importer.outputs["result"])
        read = ReadChampion(champion=fetch.outputs["champion"])
        connection = metadata.sqlite_metadata_connection_config(str(self.folder / "metadata.sqlite"))
        pipeline = Pipeline(
            pipeline_name="champion",
            pipeline_root=str(self.folder / "root"),
            components=[importer, fetch, read],
            metadata_connection_config=connection,
            enable_cache=True,
        )
        LocalDagRunner().run(pipeline)
        with metadata.Metadata(connection) as handle:
            store = handle.store
            fresh = [one for one in store.get_executions() if one.id not in self.known]
            self.known |= {one.id for one in fresh}
            ran = {one.type.rpartition(".")[2] for one in fresh if one.last_known_state == mlmd.Execution.COMPLETE}
            (latest,) = [one for one in fresh if one.type.endswith("FetchChampion")]
            events = store.get_events_by_execution_ids([latest.id])
            (output,) = store.get_artifacts_by_id([e.artifact_id for e in events if e.type != mlmd.Event.INPUT])
        return ran & {"FetchChampion", "ReadChampion"}, Path(output.uri)


def test_what_the_judge_reads_is_reused_as_long_as_the_champion_is_the_same(registry, tmp_path):
    runs = LocalRuns(tmp_path, trained(tmp_path / "candidate", "candidate-run"))
    both = {"FetchChampion", "ReadChampion"}
    ran, champion = runs.run()
    assert (ran, list(champion.rglob("*"))) == (both, [])
    assert runs.run()[0] == set()

    number = register(registry, trained(tmp_path / "former", "former-run"), "former-run")
    registry.set_alias(CHAMPION, number)
    ran, champion = runs.run()
    assert ran == both
    assert (champion / "Format-Serving" / "saved_model.pb").read_text() == "former-run"
    assert runs.run()[0] == set()

    own = register(registry, tmp_path / "candidate", "candidate-run")
    registry.set_alias(CHAMPION, own)
    ran, champion = runs.run()
    assert (ran, list(champion.rglob("*"))) == (set(), []), "a candidate that is champion has none to compare with"


@pytest.mark.parametrize("lost", ["artifacts", "artifacts/**/Format-Serving"])
def test_a_champion_that_is_gone_stops_nothing(registry, tmp_path, lost):
    """All of its files, or the SavedModel alone."""
    number = register(registry, trained(tmp_path / "former", "former-run"), "former-run")
    registry.set_alias(CHAMPION, number)
    for folder in list(tmp_path.glob(lost)):
        shutil.rmtree(folder)
    _, champion = LocalRuns(tmp_path, trained(tmp_path / "candidate", "candidate-run")).run()
    assert list(champion.rglob("*")) == []


def test_a_registry_that_is_away_is_not_the_same_as_no_champion(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    candidate = trained(tmp_path / "candidate", "candidate-run") / "Format-Serving"
    with socket.socket() as bound:  # and nobody listens
        bound.bind(("127.0.0.1", 0))
        mlflow.set_tracking_uri(f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(RegistryError, match="the registry cannot be asked for the champion"):
            find_champion(candidate)


def test_a_store_that_is_away_is_not_the_same_as_files_that_are_gone(registry, tmp_path, monkeypatch):
    """The version is in the registry, its files behind an address at which nobody answers."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with mlflow.start_run() as run:
            source = f"http://127.0.0.1:{bound.getsockname()[1]}/taste"
            version = registry.register(source, run.info.run_id, None, {TAG_TRAINING: "former-run"})
        registry.set_alias(CHAMPION, version.number)
        with pytest.raises(Exception, match="cannot be fetched"):
            LocalRuns(tmp_path, trained(tmp_path / "candidate", "candidate-run")).run()
