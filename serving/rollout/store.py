"""The state of all rollouts in one SQLite file; every change is one transaction."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sazon.errors import RolloutRunning, ServingError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rollouts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT NOT NULL, outcome TEXT,
    paused INTEGER NOT NULL DEFAULT 0, aborted_by TEXT, approved_by TEXT
);
CREATE TABLE IF NOT EXISTS events (
    rollout INTEGER NOT NULL, at TEXT NOT NULL, step TEXT NOT NULL, message TEXT NOT NULL, figures TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS one_at_a_time ON rollouts (outcome IS NULL) WHERE outcome IS NULL;
"""
ROLLBACK = "rollback"
"""The step of a rollout that failed or was aborted."""
REVERT = "revert"
"""The only step of a rollout that goes back from the champion to the version before it."""


class Outcome(StrEnum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    REVERTED = "reverted"


@dataclass(frozen=True)
class Rollout:
    """One rollout as it stands.

    Attributes:
        id: its number, rising.
        version: what is rolled out.
        champion: what answered when it began; None if nothing did.
        previous: what held that alias when it began.
        plan: names of its steps, in order.
        step: the one it is in; `rollback` after a failure.
        started_by: who began it.
        started_at: ISO-8601, UTC.
        entered_at: when it came into its step, in seconds since 1970.
        reason: why it failed, or how it ended.
        work: what the step keeps between two looks.
        figures: by step, as they were when it was left.
        outcome: None while it runs.
        paused: whether it stays in its step.
        aborted_by: who called it off.
        approved_by: who approved its last step.
    """

    id: int
    version: int
    champion: int | None
    previous: int | None
    plan: tuple[str, ...]
    step: str
    started_by: str
    started_at: str
    entered_at: float
    reason: str = ""
    work: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None
    paused: bool = False
    aborted_by: str | None = None
    approved_by: str | None = None

    @property
    def goes_back(self) -> bool:
        """Whether it leads to the version before the champion."""
        return self.plan == (REVERT,)


@dataclass(frozen=True)
class Event:
    """A line of the history."""

    rollout: int
    at: str
    step: str
    message: str
    figures: dict[str, Any]


_DOCUMENT = tuple(
    item.name
    for item in fields(Rollout)
    if item.name not in ("id", "outcome", "paused", "aborted_by", "approved_by")
)  # fmt: skip


class RolloutStore:
    """Rollouts and their history. The controller writes the state, other commands only wishes."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / "rollouts.sqlite"

    @contextlib.contextmanager
    def control(self) -> Iterator[None]:
        """Holds the right to act; the kernel frees it when the process dies.

        Raises:
            RolloutRunning: another process has it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._folder / "controller.lock", timeout=0):
                yield
        except Timeout:
            raise RolloutRunning("another process rolls out on this state (see: sazon rollout status)") from None

    def begin(self, rollout: Rollout) -> Rollout:
        """Adds a rollout; its id is given here.

        Raises:
            ServingError: one is unfinished.
        """
        with self._transaction() as database:
            try:
                cursor = database.execute("INSERT INTO rollouts (document) VALUES (?)", (_document(rollout),))
            except sqlite3.IntegrityError:
                raise ServingError("a rollout is unfinished: sazon rollout resume, or sazon rollout abort") from None
            number = cursor.lastrowid
            _add_event(database, Event(number or 0, now(), rollout.step, "began", {}))
        return self.get(number or 0)

    def save(self, rollout: Rollout, message: str | None = None, figures: dict[str, Any] | None = None) -> Rollout:
        """Replaces the state; with a message, also adds a line to the history, in the same transaction."""
        with self._transaction() as database:
            database.execute(
                "UPDATE rollouts SET document = ?, outcome = ? WHERE id = ?",
                (_document(rollout), rollout.outcome, rollout.id),
            )
            if message is not None:
                _add_event(database, Event(rollout.id, now(), rollout.step, message, figures or {}))
        return self.get(rollout.id)

    def end(self, rollout: Rollout, message: str) -> Rollout:
        """Saves a rollout with its outcome, unless somebody has called it off: then it is given back without one."""
        with self._transaction() as database:
            ended = database.execute(
                "UPDATE rollouts SET document = ?, outcome = ? WHERE id = ? AND aborted_by IS NULL",
                (_document(rollout), rollout.outcome, rollout.id),
            )
            if ended.rowcount:
                _add_event(database, Event(rollout.id, now(), rollout.step, message, {}))
        return self.get(rollout.id)

    def wish(self, rollout: Rollout, **wishes: bool | str) -> None:
        """Sets `paused`, `aborted_by` or `approved_by`, for the controller to see.

        Raises:
            ServingError: the rollout has ended.
        """
        with self._transaction() as database:
            for name, value in wishes.items():
                if name not in ("paused", "aborted_by", "approved_by"):
                    raise ValueError(name)
                found = database.execute(
                    f"UPDATE rollouts SET {name} = ? WHERE id = ? AND outcome IS NULL",  # noqa: S608
                    (value, rollout.id),
                )
                if not found.rowcount:
                    raise ServingError(f"version {rollout.version}: its rollout has ended (sazon rollout status)")
                _add_event(database, Event(rollout.id, now(), rollout.step, f"{name.replace('_', ' ')}: {value}", {}))

    def get(self, number: int) -> Rollout:
        """The rollout of that id."""
        with self._transaction() as database:
            row = database.execute("SELECT * FROM rollouts WHERE id = ?", (number,)).fetchone()
        return _rollout(row)

    def last(self) -> Rollout | None:
        """The newest rollout, if there ever was one."""
        if not self._path.exists():
            return None
        with self._transaction() as database:
            row = database.execute("SELECT * FROM rollouts ORDER BY id DESC LIMIT 1").fetchone()
        return _rollout(row) if row else None

    def unfinished(self) -> Rollout | None:
        """The rollout that goes on, if one does."""
        last = self.last()
        return last if last is not None and last.outcome is None else None

    def events(self) -> list[Event]:
        """The history, oldest first."""
        if not self._path.exists():
            return []
        with self._transaction() as database:
            rows = database.execute("SELECT * FROM events ORDER BY rowid").fetchall()
        return [Event(**{**dict(row), "figures": json.loads(row["figures"])}) for row in rows]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._path, timeout=30.0)) as database:
            database.row_factory = sqlite3.Row
            database.executescript(_SCHEMA)
            with database:
                yield database


def now() -> str:
    """The time in UTC, ISO-8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _document(rollout: Rollout) -> str:
    content = asdict(rollout)
    return json.dumps({name: content[name] for name in _DOCUMENT}, ensure_ascii=False)


def _add_event(database: sqlite3.Connection, event: Event) -> None:
    figures = json.dumps(event.figures, ensure_ascii=False)
    database.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?)", (event.rollout, event.at, event.step, event.message, figures)
    )


def _rollout(row: sqlite3.Row) -> Rollout:
    document = json.loads(row["document"])
    return Rollout(
        **{**document, "plan": tuple(document["plan"])},
        id=row["id"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        paused=bool(row["paused"]),
        aborted_by=row["aborted_by"],
        approved_by=row["approved_by"],
    )
