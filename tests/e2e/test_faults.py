"""What goes wrong half-way leaves nothing half-done."""

import sqlite3

import pandas as pd
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def bare_file(sazon, easy_rows):
    """Rows without a taste labelled anywhere."""
    path = sazon.folder / "bare.csv"
    easy_rows(tastes=False).to_csv(path, index=False)
    return path


def states(sazon):
    with sqlite3.connect(sazon.home / "mlflow" / "mlflow.sqlite") as database:
        return [row[0] for row in database.execute("select status from runs where name is not null")]


def test_killed_in_training_and_started_again(sazon, bare_file):
    bucket = sazon.folder / "bucket"
    sazon.environment["SAZON_TRAIN__STATE_DIR"] = bucket.as_uri()
    child = sazon.start("train", "--data", bare_file, "--json")
    for line in child.stderr:
        if "epoch 1/" in line:
            break
    child.kill()
    child.communicate()
    assert sazon.json("versions") == []
    assert not sazon.home.joinpath("served").exists()
    assert "RUNNING" in states(sazon)

    result = sazon.json("train", "--data", bare_file)
    assert (result["version"], result["status"]) == (1, "blessed")
    assert {step["name"] for step in result["steps"] if step["cached"]} >= {"ExampleGen", "StatisticsGen", "Transform"}
    assert result["figures"]["taste"]["tastes"] is None
    assert "RUNNING" not in states(sazon)
    assert "KILLED" not in states(sazon)  # the same run went on
    del sazon.environment["SAZON_TRAIN__STATE_DIR"]
    assert not [path for path in bucket.rglob("*") if path.is_file()]
    assert [path.name for path in (sazon.home / "served" / "taste").iterdir()] == ["1"]
    assert not list(sazon.home.rglob("*.partial"))


def test_a_worse_version_is_registered_as_rejected_and_not_served(sazon, bare_file):
    sazon.environment["SAZON_GATES__ABOVE_MAJORITY"] = "0.99"
    result = sazon.json("train", "--data", bare_file, "--epochs", "1")
    del sazon.environment["SAZON_GATES__ABOVE_MAJORITY"]
    assert all(path.suffix == ".lock" for path in (sazon.home / "trainings").iterdir())
    assert (result["version"], result["status"], result["rolled_out"]) == (2, "rejected", False)
    listed = sazon.json("versions")
    assert [(version["number"], version["status"], version["aliases"]) for version in listed] == [
        (2, "rejected", []),
        (1, "blessed", ["champion"]),
    ]
    assert "majority class" in listed[0]["reason"]
    assert [path.name for path in (sazon.home / "served" / "taste").iterdir()] == ["1"]


def test_anomalies_stop_the_run_with_a_readable_list(sazon, bare_file):
    """The reader would refuse this file, so the bad rows are put in behind its back."""
    (part,) = sazon.home.glob("datasets/*/train/part.parquet")
    rows = pd.read_parquet(part)
    rows.loc[:40, "region"] = "Atlantis"
    rows.to_parquet(part)
    _, errors = sazon.run("train", "--data", bare_file, code=1)
    assert "nothing was trained" in errors
    assert "train, region" in errors
    assert "Atlantis" in errors
    assert "Transform" not in errors


def test_two_pipelines_on_one_state_do_not_mix(sazon, bare_file):
    from filelock import FileLock

    with FileLock(sazon.home / "pipeline.lock"):
        _, errors = sazon.run("train", "--data", bare_file, code=2)
    assert "another pipeline is running" in errors
