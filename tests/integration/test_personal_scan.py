"""After an ingest no file of the state holds what was personal in it: the labelled comments, whole or in pieces."""

import json
import re
import sqlite3
from pathlib import Path

import polars as pl
import pytest
from malformed_feedback import good

from benchmarks.personal import read_comments
from data.ingest.inbox import Inbox
from sazon.cli.main import main

pytestmark = pytest.mark.integration


def content(path: Path) -> str:
    """All that a file says: as it lies there, and with what columns and pages hide decoded."""
    parts = [path.read_bytes().decode("utf-8", "replace"), path.read_bytes().decode("latin-1")]
    if path.suffix == ".parquet":
        parts += map(str, pl.read_parquet(path).rows())
    if path.suffix == ".db":
        with sqlite3.connect(path) as database:
            parts += database.iterdump()
    return "\n".join(parts)


def holds(text: str, value: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def rest_of(comment) -> str:
    """A comment without what was labelled."""
    kept, at = [], 0
    for begin, end, _ in sorted(comment.spans):
        kept.append(comment.text[at:begin])
        at = end
    return "\n".join([*kept, comment.text[at:]])


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["sazon", "ingest", *arguments, "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    return json.loads(capsys.readouterr().out)


def test_no_raw_value_is_left_in_the_state(tmp_path, monkeypatch, capsys):
    comments, home = read_comments("test"), tmp_path / "home"
    monkeypatch.setenv("SAZON_HOME", str(home))
    rows = [good(number, text=comment.text) for number, comment in enumerate(comments)]
    for row in rows[::10]:
        row["created_at"] = "31/31/2025"  # these go to quarantine
    Inbox(home / "feedback" / "inbox.db").put(rows[: len(rows) // 2])
    source = tmp_path / "comments.jsonl"
    source.write_text(
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows[len(rows) // 2 :]), encoding="utf-8"
    )

    reports = [run(monkeypatch, capsys, str(source)), run(monkeypatch, capsys, "--inbox")]

    assert sum(report["accepted"] for report in reports) > 120 < sum(report["rows"] for report in reports) == len(rows)
    assert all(report["quarantined"] for report in reports)
    everything = "\n".join(content(path) for path in home.rglob("*") if path.is_file())
    assert "[PERSONA]" in everything and "[DNI]" in everything
    innocent = "\n".join(rest_of(comment) for comment in comments)
    values = {comment.text[begin:end] for comment in comments for begin, end, _ in comment.spans}
    looked_for = {value for value in values if not holds(innocent, value)}  # a district may bear a person's name
    assert len(looked_for) > 90
    assert not [value for value in looked_for if holds(everything, value)]
