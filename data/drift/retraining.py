"""What a breach starts: a command, at most once in a while, and only with rows enough to learn from."""

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from sazon.home import write_atomically

_STATE: Final = "retraining.json"


def retrain(folder: Path, command: Sequence[str], cooldown_h: float, least_rows: int, live_rows: int) -> str:
    """Runs the command and waits for it, unless a guard holds it back.

    The time is noted before the command runs, so that one which fails or is killed is not tried again at once.

    Args:
        folder: of the state; the command's output goes to its `retraining.log`.
        command: program and arguments.
        cooldown_h: hours from one start to the next, at least.
        least_rows: of the live window.
        live_rows: it has so many.

    Returns:
        What happened, in a line.
    """
    if live_rows < least_rows:
        return f"not started: {live_rows} live rows, fewer than {least_rows} (setting drift.retrain_rows)"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "retraining.lock", timeout=0):
            now = datetime.now(UTC)
            if (until := _last_start(folder) + timedelta(hours=cooldown_h)) > now:
                return f"not started: cooling down until {until:%Y-%m-%d %H:%M} UTC (setting drift.cooldown_h)"
            write_atomically(folder / _STATE, json.dumps({"started_at": now.isoformat()}))
            return _run(folder / "retraining.log", command)
    except Timeout:
        return "not started: another one is under way"


def _last_start(folder: Path) -> datetime:
    path = folder / _STATE
    if not path.exists():
        return datetime(1970, 1, 1, tzinfo=UTC)
    return datetime.fromisoformat(json.loads(path.read_text())["started_at"])


def _run(log: Path, command: Sequence[str]) -> str:
    with log.open("ab") as stream:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False)
        except OSError as error:
            return f"failed: {command[0]}: {error.strerror}"
    return "done" if done.returncode == 0 else f"failed: exit code {done.returncode} (see {log})"
