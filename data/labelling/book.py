"""Texts that wait for labels, gold questions, and what annotators said: one SQLite file."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

from sazon.schema import TASTE_SEPARATOR, TASTES

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS items (
    task TEXT PRIMARY KEY, feedback_id TEXT NOT NULL, text TEXT NOT NULL, product TEXT NOT NULL,
    wanted INTEGER NOT NULL, true_sentiment TEXT NOT NULL, true_tastes TEXT NOT NULL,
    model TEXT NOT NULL, guessed_sentiment TEXT NOT NULL, guessed_tastes TEXT NOT NULL, confidence REAL,
    uncertainty REAL, disagreement REAL, novelty REAL, score REAL
);
CREATE TABLE IF NOT EXISTS annotations (
    task TEXT NOT NULL REFERENCES items (task), annotator TEXT NOT NULL, sentiment TEXT NOT NULL, tastes TEXT NOT NULL,
    PRIMARY KEY (task, annotator)
);
CREATE TABLE IF NOT EXISTS annotators (
    name TEXT PRIMARY KEY, adjudicates INTEGER NOT NULL DEFAULT 0, left_out INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(frozen=True)
class Label:
    """What a text says: a sentiment, and tastes in the order of the contract."""

    sentiment: str
    tastes: tuple[str, ...]

    @classmethod
    def of(cls, sentiment: str, tastes: Iterable[str]) -> "Label":
        """A label of tastes in any order."""
        named = set(tastes)
        return cls(sentiment, tuple(taste for taste in TASTES if taste in named))

    @classmethod
    def from_cells(cls, sentiment: str, tastes: str) -> "Label":
        """A label from cells of a table."""
        return cls.of(sentiment, (name.strip() for name in tastes.split(TASTE_SEPARATOR)))

    @property
    def tastes_cell(self) -> str:
        """The tastes as one cell of a table."""
        return TASTE_SEPARATOR.join(self.tastes)


@dataclass(frozen=True)
class Item:
    """A text of the queue, or a gold question, whose `feedback_id` is "" and whose true label is known.

    Attributes:
        task: how people who label know it; a gold question looks like any other.
        wanted: annotators it needs.
        model: who guessed, "" where nobody did; `confidence` is that of the guessed sentiment.
        uncertainty, disagreement, novelty, score: from 0 to 1, None where unknown.
    """

    task: str
    feedback_id: str
    text: str
    product: str
    wanted: int
    true_sentiment: str = ""
    true_tastes: str = ""
    model: str = ""
    guessed_sentiment: str = ""
    guessed_tastes: str = ""
    confidence: float | None = None
    uncertainty: float | None = None
    disagreement: float | None = None
    novelty: float | None = None
    score: float | None = None

    @property
    def is_gold(self) -> bool:
        """Whether it checks annotators, and brings no label."""
        return not self.feedback_id

    @property
    def truth(self) -> Label:
        """Of a gold question."""
        return Label.from_cells(self.true_sentiment, self.true_tastes)

    @property
    def guess(self) -> Label | None:
        """What the model says."""
        return Label.from_cells(self.guessed_sentiment, self.guessed_tastes) if self.model else None


@dataclass(frozen=True)
class Annotation:
    """What one annotator says about one text."""

    task: str
    annotator: str
    label: Label


@dataclass(frozen=True)
class Annotator:
    """Somebody who labels; one who adjudicates has the last word, one who is left out has none."""

    name: str
    adjudicates: bool
    left_out: bool


def name_task(key: str) -> str:
    """The name of a task: tells neither its row nor whether it is a gold question.

    >>> name_task("f-1")
    't3defc6e63240'
    """
    return "t" + hashlib.sha256(key.encode()).hexdigest()[:12]  # a spreadsheet makes a number of 12e456789012


class LabelBook:
    """Reads and writes one file; a book that does not exist reads as empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def items(self) -> list[Item]:
        """All, in the order in which they came."""
        names = ", ".join(field.name for field in fields(Item))
        return [Item(*row) for row in self._read(f"SELECT {names} FROM items ORDER BY rowid")]  # noqa: S608

    def annotations(self) -> list[Annotation]:
        """All, by task and annotator."""
        rows = self._read("SELECT task, annotator, sentiment, tastes FROM annotations ORDER BY task, annotator")
        return [Annotation(task, name, Label.from_cells(*cells)) for task, name, *cells in rows]

    def annotators(self) -> list[Annotator]:
        """All who ever labelled or adjudicate, by name."""
        rows = self._read("SELECT name, adjudicates, left_out FROM annotators ORDER BY name")
        return [Annotator(name, bool(adjudicates), bool(left_out)) for name, adjudicates, left_out in rows]

    def put(self, items: Sequence[Item]) -> None:
        """Adds items; one that is there already is replaced."""
        marks = ", ".join("?" for _ in fields(Item))
        names = ", ".join(field.name for field in fields(Item))
        updates = ", ".join(f"{field.name} = excluded.{field.name}" for field in fields(Item))
        with self._connect() as book:
            book.executemany(
                f"INSERT INTO items ({names}) VALUES ({marks}) ON CONFLICT (task) DO UPDATE SET {updates}",  # noqa: S608
                [astuple(item) for item in items],
            )

    def annotate(self, annotations: Sequence[Annotation], adjudicator: str | None = None) -> None:
        """Takes answers, all or none; a later answer of an annotator to a task replaces the earlier one."""
        names = {annotation.annotator for annotation in annotations}
        with self._connect() as book:
            book.executemany("INSERT OR IGNORE INTO annotators (name) VALUES (?)", [(name,) for name in sorted(names)])
            book.executemany(
                "INSERT OR REPLACE INTO annotations VALUES (?, ?, ?, ?)",
                [(one.task, one.annotator, one.label.sentiment, one.label.tastes_cell) for one in annotations],
            )
            if adjudicator:
                book.execute("INSERT OR IGNORE INTO annotators (name) VALUES (?)", (adjudicator,))
                book.execute("UPDATE annotators SET adjudicates = 1 WHERE name = ?", (adjudicator,))

    def leave_out(self, names: Iterable[str], *, left_out: bool = True) -> None:
        """Takes the word from annotators, or gives it back."""
        with self._connect() as book:
            book.executemany(
                "UPDATE annotators SET left_out = ? WHERE name = ?", [(int(left_out), name) for name in names]
            )

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        if not self.path.exists():
            return []
        with self._connect() as book:
            return book.execute(query).fetchall()

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block ends well."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as book:
            book.execute("PRAGMA synchronous = FULL")
            book.executescript(_TABLES)
            with book:
                yield book
