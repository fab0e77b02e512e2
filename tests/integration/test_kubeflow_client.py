"""`sazon pipeline submit|schedule|status|logs|cancel` through the real kfp client, against the API's HTTP side."""

import json
import socket

import pytest
from kubeflow_api import KubeflowApi
from typer.testing import CliRunner

from pipelines.kubeflow.client import KubeflowClient
from pipelines.kubeflow.post_compile import document, platform
from sazon.cli.main import app
from sazon.errors import ServingError, UserError
from sazon.settings import load_settings

pytestmark = pytest.mark.integration


@pytest.fixture
def api():
    with KubeflowApi() as served:
        yield served


@pytest.fixture
def package(tmp_path):
    """One step with one parameter and its place on a node."""
    parameters = {"rows": {"parameterType": "NUMBER_INTEGER"}}
    ir = {
        "pipelineInfo": {"name": "taste-training"},
        "schemaVersion": "2.1.0",
        "root": {
            "dag": {
                "tasks": {
                    "Trainer": {
                        "taskInfo": {"name": "Trainer"},
                        "componentRef": {"name": "Trainer"},
                        "cachingOptions": {"enableCache": True},
                        "inputs": {"parameters": {"rows": {"componentInputParameter": "rows"}}},
                    }
                }
            },
            "inputDefinitions": {"parameters": parameters},
        },
        "components": {
            "Trainer": {"executorLabel": "Trainer_executor", "inputDefinitions": {"parameters": parameters}}
        },
        "deploymentSpec": {"executors": {"Trainer_executor": {"container": {"image": "sazon/trainer-gpu:1"}}}},
    }
    executors = platform.executors_like(ir)
    platform.mount_claim(executors, "sazon-state", "/var/lib/sazon")
    path = tmp_path / "pipeline.yaml"
    path.write_text(document.as_yaml(ir, platform.as_document(executors)))
    return path


def connect(api, **given):
    return KubeflowClient.connect(load_settings(kubeflow={"host": api.host, **given}).kubeflow)


def command(*arguments):
    """Runs the command line; returns what it printed, and the error if it ended in one."""
    result = CliRunner().invoke(app, ["pipeline", *arguments])
    return result.output, result.exception


def test_a_run_from_submit_to_cancel(api, package):
    given = ("--host", api.host, "--json")
    output, error = command("submit", str(package), "--arg", "rows=300", *given)
    assert error is None, output
    run_id = json.loads(output)["run_id"]
    sent = api.runs[run_id]
    assert sent["runtime_config"]["parameters"] == {"rows": 300}
    assert sent["service_account"] == "pipeline"
    assert sent["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]

    api.runs[run_id]["state"] = "RUNNING"
    api.logs[api.add_step(run_id, "Trainer", "FAILED", 75, "evicted", attempts=2)] = "epoch 1/6\n"
    step = json.loads(command("status", run_id, *given)[0])["steps"]
    assert step == [{"name": "Trainer", "state": "FAILED", "seconds": 75.0, "error": "evicted"}]
    table, _ = command("status", run_id, "--host", api.host)
    assert "RUNNING" in table
    assert "75 s  evicted" in table
    assert command("logs", run_id, "Trainer", "--host", api.host) == ("epoch 1/6\n", None)

    assert json.loads(command("cancel", run_id, *given)[0])["kind"] == "run"
    assert api.runs[run_id]["state"] == "CANCELING"
    listed = json.loads(command("status", *given)[0])
    assert [run["state"] for run in listed["runs"]] == ["CANCELING"]


def test_without_cache_every_step_is_sent_uncached(api, package):
    run = connect(api).submit(package, ["rows=1"], cache=False)
    tasks = api.runs[run.run_id]["pipeline_spec"]["pipeline_spec"]["root"]["dag"]["tasks"]
    assert not tasks["Trainer"].get("cachingOptions", {}).get("enableCache")


def test_a_schedule_replaces_the_one_of_its_name_and_ends(api, package, monkeypatch):
    monkeypatch.setenv("SAZON_KUBEFLOW__SCHEDULE", "0 3 * * 1")
    given = ("--host", api.host, "--json", "--arg", "rows=1")
    first = json.loads(command("schedule", str(package), *given)[0])
    assert first["cron"] == "0 3 * * 1"
    assert api.schedules[first["schedule_id"]]["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1"
    second = json.loads(command("schedule", str(package), "--cron", "*/30 * * * *", *given)[0])
    assert list(api.schedules) == [second["schedule_id"]]
    assert "*/30 * * * *" in command("status", "--host", api.host)[0]
    assert command("cancel", second["schedule_id"], "--host", api.host)[0].startswith("schedule")
    assert not api.schedules


@pytest.mark.parametrize("arguments", [[], ["rows=many"], ["rows=1", "row=2"]])
def test_wrong_arguments_are_refused_before_anything_is_sent(api, package, arguments):
    flags = [flag for argument in arguments for flag in ("--arg", argument)]
    _, error = command("submit", str(package), "--host", api.host, *flags)
    assert isinstance(error, UserError)
    assert not api.calls


def test_a_file_that_is_no_pipeline_is_refused_before_anything_is_sent(api, tmp_path):
    path = tmp_path / "pipeline.yaml"
    for text in (None, "root: {}", "not: [yaml"):
        if text:
            path.write_text(text)
        _, error = command("submit", str(path), "--host", api.host)
        assert isinstance(error, UserError)
    assert not api.calls


def test_with_several_users_the_namespace_and_the_token_are_sent(package):
    with KubeflowApi(multi_user=True, token="secret") as api:
        client = connect(api, namespace="team", token="secret")
        run = client.submit(package, ["rows=1"])
        assert [item["namespace"] for item in api.experiments.values()] == ["team"]
        assert [found.run_id for found in client.runs()] == [run.run_id]
        with pytest.raises(ServingError, match="answered 401"):
            connect(api, namespace="team", token="wrong")


def test_an_unreachable_host_is_one_line_at_once(package):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        _, error = command("status", "--host", host)
    assert isinstance(error, ServingError)
    assert host in str(error)
    assert "port-forward" in str(error)
    assert "\n" not in str(error)


def test_no_host_says_how_to_give_one():
    _, error = command("status")
    assert isinstance(error, UserError)
    assert "--host" in str(error)


def test_ids_and_steps_that_do_not_exist_are_named(api, package):
    client = connect(api)
    run = client.submit(package, ["rows=1"])
    for call, complaint in (
        (lambda: client.status("nope"), 'no run has the id "nope"'),
        (lambda: client.logs(run.run_id, "Trainer"), "none yet"),
        (lambda: client.cancel("nope"), "neither a run nor a schedule"),
    ):
        with pytest.raises(UserError, match=complaint):
            call()
    api.add_step(run.run_id, "Trainer", "RUNNING", attempts=1)
    with pytest.raises(UserError, match="no step"):
        client.logs(run.run_id, "Trianer")
    with pytest.raises(UserError, match="its log is gone"):
        client.logs(run.run_id, "Trainer")
