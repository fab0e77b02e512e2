"""Each rule of the container by itself, with the part of Kubeflow or TFX that it answers to. No TFX here."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.kubeflow.container.environment import registry_address, writable_places
from pipelines.kubeflow.container.example_gen import reads_files, take_over_driver_output
from pipelines.kubeflow.container.folders import make_folders
from pipelines.kubeflow.container.inputs import drop_executor_logs, fill_input_types, name_artifacts, unbox_metadata
from pipelines.kubeflow.container.outputs import mend_output
from pipelines.kubeflow.container.parameters import restore_types
from pipelines.kubeflow.container.places import Places, local_path
from sazon.errors import UserError
from sazon.settings import load_settings

MODEL = {"instanceSchema": "title: tfx.Model\ntype: object\n"}
ROOT = "minio://mlpipeline/v2/artifacts/taste-training/run-1"


def executor_input(inputs: dict[str, Any] | None = None, outputs: dict[str, Any] | None = None) -> dict[str, Any]:
    """As the launcher serialises it: one artifact under each key."""
    sides = {"inputs": inputs or {}, "outputs": outputs or {}}
    return {
        side: {"artifacts": {key: {"artifacts": [artifact]} for key, artifact in artifacts.items()}}
        for side, artifacts in sides.items()
    }


def only(given: dict[str, Any], side: str, key: str) -> dict[str, Any]:
    (artifact,) = given[side]["artifacts"][key]["artifacts"]
    return artifact


def test_row_1_an_input_without_a_schema_gets_the_type_that_the_component_declares():
    given = executor_input({"model": {"uri": f"{ROOT}/Trainer/model", "type": {"instanceSchema": ""}}})
    fill_input_types(given, {"artifacts": {"model": {"artifactType": MODEL}}})
    assert only(given, "inputs", "model")["type"] == MODEL


def test_row_2_the_launchers_own_output_is_not_shown_to_tfx():
    logs = {"uri": f"{ROOT}/Trainer/executor-logs", "type": {"schemaTitle": "system.Artifact"}}
    given = executor_input(outputs={"executor-logs": logs, "model": {"uri": f"{ROOT}/Trainer/model"}})
    drop_executor_logs(given)
    assert list(given["outputs"]["artifacts"]) == ["model"]


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("minio://mlpipeline/v2/a", "/minio/mlpipeline/v2/a"),
        ("s3://bucket/a", "/s3/bucket/a"),
        ("gs://bucket/a", "/gcs/bucket/a"),
        ("/mnt/a", "/mnt/a"),
    ],
)
def test_row_3_tensorflow_reads_where_the_launcher_downloads_to(uri, path):
    assert local_path({"uri": uri}) == path


def test_row_3_a_path_of_the_launchers_own_choice_wins():
    assert local_path({"uri": "s3://bucket/a", "customPath": "/mnt/a"}) == "/mnt/a"


def test_row_3_what_tfx_wrote_names_the_object_store_again():
    """A local URI in output_metadata.json overwrites the output's, and nothing is uploaded."""
    given = executor_input(
        {"model": {"uri": f"{ROOT}/Trainer/model"}},
        {"blessing": {"uri": f"{ROOT}/Evaluator/blessing"}, "logs": {"uri": f"{ROOT}/Evaluator/b"}},
    )
    places = Places.of(given, root="")
    places.localise(given)
    local = only(given, "outputs", "blessing")["uri"]
    assert local == "/minio/mlpipeline/v2/artifacts/taste-training/run-1/Evaluator/blessing"
    metadata = {"current_model": only(given, "inputs", "model")["uri"] + "/Format-Serving", "blessed": 1.0}
    written = {"artifacts": {"blessing": {"artifacts": [{"uri": local, "metadata": metadata}]}}}
    (artifact,) = mend_output(written, places)["artifacts"]["blessing"]["artifacts"]
    assert artifact["uri"] == f"{ROOT}/Evaluator/blessing"
    assert artifact["metadata"] == {"current_model": f"{ROOT}/Trainer/model/Format-Serving", "blessed": 1.0}


def test_row_3_a_uri_of_this_pod_alone_is_left_out():
    written = {"artifacts": {"model": {"artifacts": [{"uri": "/tmp/elsewhere", "name": "model"}]}}}
    (artifact,) = mend_output(written, Places(()))["artifacts"]["model"]["artifacts"]
    assert artifact == {"name": "model"}


def test_row_4_folders_are_there_but_not_in_place_of_a_value(tmp_path):
    """The launcher makes an output's parent only, and an empty folder does not survive an object store."""
    value = {"uri": str(tmp_path / "number"), "type": {"instanceSchema": "title: tfx.Integer\ntype: object\n"}}
    given = executor_input(
        {"champion": {"uri": str(tmp_path / "champion"), "type": MODEL}},
        {"model": {"uri": str(tmp_path / "model"), "type": MODEL}, "number": value},
    )
    make_folders(given)
    assert (tmp_path / "champion").is_dir()
    assert (tmp_path / "model").is_dir()
    assert not (tmp_path / "number").exists()


def test_row_5_what_the_driver_of_example_gen_found_reaches_the_executor():
    given = executor_input(outputs={"examples": {"uri": f"{ROOT}/ExampleGen/examples"}})
    given["inputs"]["parameterValues"] = {"input_base": "/data", "input_config": "with {SPAN}"}
    assert reads_files(given)
    found = {
        "parameterValues": {"span": 3.0, "input_config": "with 3"},
        "artifacts": {"examples": {"artifacts": [{"metadata": {"input_fingerprint": "abc", "version": None}}]}},
    }
    take_over_driver_output(given, found)
    assert given["inputs"]["parameterValues"] == {"input_base": "/data", "input_config": "with 3", "span": 3.0}
    assert only(given, "outputs", "examples")["metadata"] == {"input_fingerprint": "abc"}


def test_row_5_other_components_have_no_driver():
    assert not reads_files(executor_input(outputs={"model": {"uri": f"{ROOT}/Trainer/model"}}))


def test_rows_6_and_12_parameters_get_the_types_that_the_function_declares():
    """TFX compiles lists and objects to JSON and booleans to numbers; an earlier task's 21 arrives as "21"."""
    declared = {"deep": bool, "sizes": list[int], "tags": dict[str, str], "version": int, "share": float, "name": str}
    values = {"deep": 1, "sizes": "[1, 2]", "tags": '{"a": "b"}', "version": "21", "share": 1, "name": "[x]", "more": 5}
    restored = restore_types(values, declared)
    assert restored == {
        "deep": True, "sizes": [1, 2], "tags": {"a": "b"}, "version": 21, "share": 1.0, "name": "[x]", "more": 5
    }  # fmt: skip
    assert restored["deep"] is True


def test_row_12_metadata_come_out_of_the_boxes_of_ml_metadata():
    boxed = {
        "splits": {"list": ["train", "eval"]},
        "of": {"struct": {"a": 1}},
        "plain": {"list": [], "more": 1},
        "n": 1,
    }
    given = executor_input({"examples": {"uri": f"{ROOT}/x", "metadata": boxed}})
    unbox_metadata(given)
    assert only(given, "inputs", "examples")["metadata"] == {
        "splits": ["train", "eval"], "of": {"a": 1}, "plain": {"list": [], "more": 1}, "n": 1
    }  # fmt: skip


def test_row_12_no_null_is_left_in_the_metadata():
    written = {
        "artifacts": {"examples": {"artifacts": [{"uri": "s3://b/x", "metadata": {"version": None, "span": 0.0}}]}}
    }
    (artifact,) = mend_output(written, Places(()))["artifacts"]["examples"]["artifacts"]
    assert artifact["metadata"] == {"span": 0.0}


def test_an_artifact_without_a_name_is_named_by_its_key():
    """TFX makes ids of names; the Evaluator's blessing fails with KeyError for a model without one."""
    given = executor_input({"model": {"uri": f"{ROOT}/m"}, "baseline": {"uri": f"{ROOT}/b", "name": "17"}})
    name_artifacts(given)
    assert [only(given, "inputs", key)["name"] for key in ("model", "baseline")] == ["model", "17"]


def test_caches_go_where_a_user_without_a_home_can_write(tmp_path):
    changed = writable_places({"HOME": str(tmp_path / "missing")}, tmp_path)
    assert changed["HOME"].startswith(changed["TMPDIR"])
    assert changed["USER"] == "sazon"
    assert "HOME" not in writable_places({"HOME": str(tmp_path), "USER": "ana"}, tmp_path)


def test_mlflow_goes_where_the_settings_say():
    settings = load_settings(mlflow={"tracking_uri": "http://mlflow.sazon.svc:5000", "experiment": "nightly"})
    assert registry_address(settings) == {
        "MLFLOW_TRACKING_URI": "http://mlflow.sazon.svc:5000",
        "MLFLOW_EXPERIMENT_NAME": "nightly",
    }


REMOTE = {"SAZON_MLFLOW__TRACKING_URI": "http://127.0.0.1:9"}
SCRIPT = """
import pathlib, sys, time
from pipelines.kubeflow.container import task
from pipelines.kubeflow.container.command import main
from sazon.errors import AnomaliesFound

note = pathlib.Path(sys.argv[1])

def run_task(_):
    try:
        note.write_text("started")
        {body}
    finally:
        note.write_text("ended")

task.run_task, task.Task.parse = run_task, lambda argv: None
sys.exit(main([]))
"""


def start(tmp_path: Path, body: str) -> subprocess.Popen[str]:
    """The command, around a task that does as the body says."""
    (tmp_path / "script.py").write_text(SCRIPT.replace("{body}", body))
    environment = {**os.environ, **REMOTE, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, tmp_path / "script.py", tmp_path / "note"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("body", "line", "traceback"),
    [
        ("raise AnomaliesFound('region: odd')", "error: region: odd", False),
        ("raise KeyError('blessed')", "error: KeyError: 'blessed'", True),
    ],
)
def test_a_failure_ends_in_one_line_and_only_an_unforeseen_one_shows_where(tmp_path, body, line, traceback):
    child = start(tmp_path, body)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 1
    assert errors.splitlines()[-1] == line
    assert ("Traceback" in errors) is traceback


def test_sigterm_unwinds_what_the_task_is_doing(tmp_path):
    """A preempted pod has seconds; an MLflow run that is never ended would seem to go on."""
    child, note = start(tmp_path, "time.sleep(60)"), tmp_path / "note"
    while not note.exists():
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=30)
    assert child.returncode == 143
    assert note.read_text() == "ended"
    assert errors.splitlines()[-1] == "error: terminated"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "want --executor_class_path and --json_serialized_invocation_args"),
        (["--executor_class_path=a.B", "--json_serialized_invocation_args={"], "the executor input is not JSON"),
    ],
)
def test_other_arguments_than_the_launchers_are_refused(arguments, line):
    from pipelines.kubeflow.container.task import Task

    with pytest.raises(UserError, match=line):
        Task.parse(arguments)


def test_a_wrong_setting_of_the_pod_is_named():
    command = [sys.executable, "-m", "pipelines.kubeflow.container"]
    environment = {**os.environ, **REMOTE, "SAZON_MLFLOWW": "x"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: environment variable SAZON_MLFLOWW is not a setting of Sazón\n"


def test_the_executor_input_is_read_as_the_launcher_writes_it():
    from pipelines.kubeflow.container.task import Task

    given = executor_input()
    task = Task.parse(
        ["--executor_class_path", "components.roll_out.RollOut_Executor", "--cache_digest", "abc",
         "--json_serialized_invocation_args", json.dumps(given), "--direct_num_workers=1"]
    )  # fmt: skip
    assert (task.executor_input, task.inputs_spec, task.beam_args) == (given, {}, ["--direct_num_workers=1"])
