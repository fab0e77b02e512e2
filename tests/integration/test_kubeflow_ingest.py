"""The ingest pipeline on Kubeflow: what is compiled, and its container run as a process."""

import json

import pytest
from kfp_launcher import Launcher, TaskFailed
from kubeflow_api import KubeflowApi
from malformed_feedback import as_csv, good
from typer.testing import CliRunner

from data.store import FeedbackStore
from pipelines.kubeflow.post_compile import document
from pipelines.kubeflow.post_compile.graph import container_of, tasks_of
from sazon.cli.main import app
from sazon.cluster import INCOMING_PATH, STATE_PATH
from sazon.errors import UserError

pytestmark = pytest.mark.integration


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ingest.yaml"
    result = CliRunner().invoke(app, ["pipeline", "compile-ingest", "--out", str(path), "--image", "team/pipeline:2"])
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture
def pod(package, tmp_path):
    ir, _ = document.parse(package.read_text())
    (tmp_path / "incoming").mkdir()
    return Launcher(ir, tmp_path, mounts={STATE_PATH: tmp_path / "state", INCOMING_PATH: tmp_path / "incoming"})


def test_the_step_mounts_state_and_incoming_files_and_is_never_cached(package):
    ir, platform = document.parse(package.read_text())
    assert list(tasks_of(ir)) == ["ingest"]
    assert container_of(ir, "ingest")["image"] == "team/pipeline:2"
    assert not tasks_of(ir)["ingest"].get("cachingOptions", {}).get("enableCache")
    assert "retryPolicy" not in tasks_of(ir)["ingest"]
    (executor,) = document.executors_in(platform).values()
    assert {mount["constant"]: mount["mountPath"] for mount in executor["pvcMount"]} == {
        "sazon-state": STATE_PATH,
        "sazon-incoming": INCOMING_PATH,
    }
    assert executor["securityContext"]["runAsNonRoot"]


def test_each_run_takes_what_has_come_since(pod, tmp_path):
    store = FeedbackStore(tmp_path / "state" / "feedback")
    pod.run()
    for day in (1, 2):
        (tmp_path / "incoming" / f"{day}.csv").write_text(as_csv(good(day)), encoding="utf-8")
        pod.run()
        assert len(store.rows().collect()) == day
    assert {path.name for path in (tmp_path / "incoming" / "done").iterdir()} == {"1.csv", "2.csv"}


def test_a_refused_file_fails_its_run_but_not_the_next(pod, tmp_path):
    (tmp_path / "incoming" / "bad.csv").write_text("hola\n")
    (tmp_path / "incoming" / "good.csv").write_text(as_csv(good(1)), encoding="utf-8")
    with pytest.raises(TaskFailed, match="missing column") as failed:
        pod.run()
    assert failed.value.code == 2
    assert len(FeedbackStore(tmp_path / "state" / "feedback").rows().collect()) == 1
    pod.run()


def test_it_is_scheduled_beside_the_training_under_its_own_name(package):
    with KubeflowApi() as api:
        given = ["pipeline", "schedule", str(package), "--cron", "15 * * * *", "--host", api.host, "--json"]
        made = json.loads(CliRunner().invoke(app, given).output)
        assert made["name"] == "taste-ingest"
        assert [item["display_name"] for item in api.experiments.values()] == ["taste-ingest"]
        sent = api.schedules[made["schedule_id"]]
        assert sent["trigger"]["cron_schedule"]["cron"] == "0 15 * * * *"


def test_an_image_without_a_tag_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["pipeline", "compile-ingest", "--image", "team/pipeline"])
    assert isinstance(result.exception, UserError)
    assert not (tmp_path / "ingest.yaml").exists()
