"""SIGKILL at any moment of an ingest: all rows or none are there, and the next attempt loses and doubles nothing."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.ingest_workload import write_csv
from data.ingest import sources
from data.ingest.ingestion import ingest_file
from data.store import FeedbackStore

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ROWS, CHUNK, DAYS = 2400, 300, 40
KILLS = int(os.environ.get("INGEST_KILLS", "3"))

CHILD = """
import sys
from pathlib import Path
from data.ingest import sources
from data.ingest.ingestion import ingest_file
from data.store import FeedbackStore
sources.CHUNK_ROWS = int(sys.argv[3])
ingest_file(FeedbackStore(Path(sys.argv[1] + "-warm")), Path(sys.argv[4]))
print("ready", flush=True)
sys.stdin.readline()
ingest_file(FeedbackStore(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    write_csv(folder / "few.csv", 50, DAYS)
    return write_csv(folder / "rows.csv", ROWS, DAYS)


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(sources, "CHUNK_ROWS", CHUNK)


def start(store, source):
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(store.folder),
        str(source),
        str(CHUNK),
        str(source.with_name("few.csv")),
    ]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes)


def ids(store):
    return store.rows().collect()["feedback_id"].sort()


def test_a_kill_loses_and_doubles_nothing(tmp_path, source, small_chunks):
    ingest_file(FeedbackStore(tmp_path / "warm"), source.with_name("few.csv"))
    whole = FeedbackStore(tmp_path / "whole")
    started = time.monotonic()
    clean = ingest_file(whole, source)
    duration_s = time.monotonic() - started
    assert sum(clean.counts[part] for part in ("accepted", "duplicates", "quarantined", "rejected")) == ROWS
    chance, moments = random.Random(20260401), []
    for number in range(KILLS):
        store = FeedbackStore(tmp_path / f"killed-{number}")
        with start(store, source) as child:
            child.stdout.readline()
            child.stdin.write(b"\n")
            child.stdin.flush()
            time.sleep(chance.uniform(0, duration_s))
            child.kill()
        left = ids(store)
        assert len(left) in (0, clean.counts["accepted"])
        moments.append(len(list(store.staging.glob("*/chunk-*"))) if not len(left) else "done")
        again = ingest_file(store, source)
        if again.known:
            assert len(left)
        else:
            assert again.counts == clean.counts and again.redacted == clean.redacted
        assert ids(store).equals(ids(whole)) and ids(store).is_unique().all()
        assert (store.quarantine / f"{clean.batch}.csv").read_bytes() == clean.quarantine.read_bytes()
        assert not list(store.staging.glob("*"))
    print("staged chunks at the kills:", moments)
