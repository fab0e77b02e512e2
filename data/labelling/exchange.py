"""Tasks out to people, answers in: Label Studio's JSON or CSV, by the ending of the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.labelling.book import Item, LabelBook
from data.labelling.label_studio import read_export, write_interface, write_tasks
from data.labelling.sheets import read_sheet, write_sheet
from sazon.errors import UserError


@dataclass(frozen=True)
class Imported:
    """What a file brought: annotations by what they changed, rows without an answer, and bad rows in a line each."""

    new: int
    changed: int
    unchanged: int
    blank: int
    problems: list[str]


def export_tasks(path: Path, items: Sequence[Item], annotator: str = "") -> list[Path]:
    """Writes tasks; for Label Studio also the interface, beside them.

    Returns:
        The files that were written.

    Raises:
        UserError: the ending is neither .json nor .csv.
    """
    if _is_json(path):
        interface = path.with_suffix(".xml")
        write_tasks(path, items)
        write_interface(interface)
        return [path, interface]
    write_sheet(path, items, annotator)
    return [path]


def import_answers(book: LabelBook, path: Path, annotator: str = "", adjudicator: str | None = None) -> Imported:
    """Takes the good answers of a file into the book; the same file again changes nothing.

    Args:
        book: that exported the tasks.
        path: an export of Label Studio (.json), or a sheet (.csv).
        annotator: who answered, where a sheet does not say.
        adjudicator: has the last word from now on.

    Raises:
        DataError: the file as a whole is not readable.
        UserError: the ending is neither .json nor .csv.
    """
    tasks = {item.task for item in book.items()}
    delivery = read_export(path, tasks) if _is_json(path) else read_sheet(path, tasks, annotator)
    known = {(one.task, one.annotator): one.label for one in book.annotations()}
    last = {(one.task, one.annotator): one for one in delivery.annotations}
    new = sum(key not in known for key in last)
    unchanged = sum(known.get(key) == one.label for key, one in last.items())
    if last or adjudicator:
        book.annotate(list(last.values()), adjudicator)
    return Imported(new, len(last) - new - unchanged, unchanged, delivery.blank, delivery.problems)


def _is_json(path: Path) -> bool:
    if path.suffix.lower() not in (".json", ".csv"):
        raise UserError(f'{path}: ending "{path.suffix}" is unknown (want .json for Label Studio, or .csv)')
    return path.suffix.lower() == ".json"
