"""`sazon ingest` as a person runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from malformed_feedback import as_csv, good
from waiting import wait_until

from data.ingest.inbox import Inbox
from data.store import FeedbackStore
from sazon.cli.main import main

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def command(home, *arguments):
    environment = {**os.environ, "SAZON_HOME": str(home)}
    line = [sys.executable, "-m", "sazon.cli.main", "ingest", *map(str, arguments)]
    return {"args": line, "cwd": ROOT, "env": environment, "text": True}


def test_json_adds_up(tmp_path, home):
    done = subprocess.run(
        **command(home, "-", "--json"), input=as_csv(good(0), good(1, region="x")), capture_output=True
    )
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["rows"] == 2
    assert report["rows"] == sum(report[part] for part in ("accepted", "duplicates", "quarantined", "rejected"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["none.csv"],
        [],
        ["--replay", "--inbox"],
        [__file__],
        ["none", "--watch"],
        ["x", "--once"],
        ["x", "--columns", "no.yaml"],
    ],
)
def test_wrong_use_is_one_line_and_exit_2(home, monkeypatch, capsys, arguments):
    monkeypatch.setattr("sys.argv", ["sazon", "ingest", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr().err
    assert ended.value.code == 2 and shown.startswith("error: ") and shown.count("\n") == 1


def test_a_watched_folder_is_taken_up(tmp_path, home):
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "early.csv").write_text(as_csv(good(0)), encoding="utf-8")
    Inbox(home / "feedback" / "inbox.db").put([good(5)])
    store = FeedbackStore(home / "feedback")
    with subprocess.Popen(**command(home, drop, "--watch", "--json"), stdout=subprocess.PIPE) as watcher:
        try:
            (drop / "bad.csv").write_text("hola\n")
            with (drop / "slow.csv").open("w", encoding="utf-8") as stream:
                for line in as_csv(*(good(number) for number in range(1, 5))).splitlines(keepends=True):
                    stream.write(line)
                    stream.flush()
                    time.sleep(0.2)
            wait_until(lambda: len(list(drop.glob("*/*.csv"))) == 3, 60)
        finally:
            watcher.send_signal(signal.SIGTERM)
        output, _ = watcher.communicate(timeout=30)
    assert watcher.returncode == 0
    assert {path.name for path in (drop / "done").iterdir()} == {"early.csv", "slow.csv"}
    assert "missing column" in (drop / "failed" / "bad.csv.error.txt").read_text()
    assert store.rows().collect()["feedback_id"].sort().to_list() == [f"f{number}" for number in range(6)]
    assert len(output.splitlines()) == 4


def test_a_drop_folder_is_swept_once(tmp_path, home):
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "good.csv").write_text(as_csv(good(1)), encoding="utf-8")
    (drop / "bad.csv").write_text("hola\n")
    Inbox(home / "feedback" / "inbox.db").put([good(5)])
    sweep = command(home, drop, "--watch", "--once", "--json")
    refused, empty = (subprocess.run(**sweep, capture_output=True, check=False, timeout=60) for _ in range(2))
    assert (refused.returncode, empty.returncode) == (2, 0)
    assert [json.loads(done.stdout)["accepted"] for done in (refused, empty)] == [2, 0]
    assert {path.name for path in drop.glob("*/*")} == {"good.csv", "bad.csv", "bad.csv.error.txt"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_stopped_says_so_and_takes_nothing_away(tmp_path, home, number):
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "large.csv").write_text(as_csv(*(good(row) for row in range(60_000))), encoding="utf-8")
    with subprocess.Popen(**command(home, drop, "--watch", "--once"), stdout=subprocess.PIPE) as sweep:
        wait_until((home / "feedback").exists)
        sweep.send_signal(number)
        sweep.communicate(timeout=30)
    assert sweep.returncode != 0
    assert [path.name for path in drop.iterdir()] == ["large.csv"]
