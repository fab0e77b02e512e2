"""Label Studio: its labelling interface, its tasks with predictions, its export.

Source: https://labelstud.io/guide/task_format, https://labelstud.io/guide/export (the format "JSON").
"""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from data.labelling.book import Item, Label
from data.labelling.deliveries import Delivery
from sazon.errors import DataError
from sazon.home import write_atomically
from sazon.schema import SENTIMENTS, TASTES

_TEXT, _SENTIMENT, _TASTES = "text", "sentiment", "tastes"


def write_interface(path: Path) -> None:
    """Writes the XML that a project's labelling interface is set to: the text, one sentiment, any tastes."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Header", value="$product")
    ElementTree.SubElement(view, "Text", name=_TEXT, value="$text")
    for name, labels, choice in ((_SENTIMENT, SENTIMENTS, "single"), (_TASTES, TASTES, "multiple")):
        needed = str(choice == "single").lower()
        box = ElementTree.SubElement(
            view, "Choices", name=name, toName=_TEXT, choice=choice, showInline="true", required=needed
        )
        for label in labels:
            ElementTree.SubElement(box, "Choice", value=label)
    ElementTree.indent(view)
    write_atomically(path, ElementTree.tostring(view, encoding="unicode") + "\n")


def write_tasks(path: Path, items: Sequence[Item]) -> None:
    """Writes tasks to import into a project, each with the model's guess where there is one."""
    tasks = []
    for item in items:
        task: dict[str, Any] = {"data": {"task": item.task, "text": item.text, "product": item.product}}
        if item.guess:
            prediction = {"model_version": item.model, "score": item.confidence, "result": _result(item.guess)}
            task["predictions"] = [prediction]
        tasks.append(task)
    write_atomically(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")


def read_export(path: Path, tasks: Collection[str]) -> Delivery:
    """Reads a project's export; cancelled annotations count as blank.

    Args:
        path: a list of tasks with their annotations; of several by one annotator to a task the last one counts.
        tasks: that may be answered.

    Raises:
        DataError: no such file, or not a list of tasks.
    """
    delivery = Delivery(path.name, tasks)
    for place, task, annotation in _annotations(path, delivery):
        try:
            chosen = _choices(annotation["result"])
            annotator = _annotator(annotation["completed_by"])
        except (KeyError, TypeError, AttributeError):
            delivery.problems.append(f"{path.name}, {place}: not an annotation of this labelling interface")
            continue
        sentiment = (chosen.get(_SENTIMENT) or [""])[0]
        delivery.take(place, task, annotator, sentiment, chosen.get(_TASTES, []))
    return delivery


def _annotations(path: Path, delivery: Delivery) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Place, task and content of each annotation."""
    for number, task in enumerate(_read_tasks(path), 1):
        place = f"task {number}"
        if not isinstance(task, dict) or not isinstance(task.get("annotations"), list):
            delivery.problems.append(f'{path.name}, {place}: has no annotations (export the project as "JSON")')
            continue
        data = task.get("data")
        name = str(data.get("task", "")) if isinstance(data, dict) else ""
        given = [one for one in task["annotations"] if isinstance(one, dict) and not one.get("was_cancelled")]
        delivery.blank += not given
        for annotation in sorted(given, key=lambda one: str(one.get("updated_at", ""))):
            yield place, name, annotation


def _read_tasks(path: Path) -> list[Any]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(tasks, list):
        raise DataError(f'{path}: not a list of tasks (export the project as "JSON")')
    return tasks


def _annotator(completed_by: Any) -> str:
    """An export names people by number, or by number and address."""
    if isinstance(completed_by, dict):
        return str(completed_by.get("email") or completed_by["id"])
    return "" if completed_by is None else str(completed_by)


def _choices(result: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {
        part["from_name"]: [str(choice) for choice in part["value"]["choices"]]
        for part in result
        if part.get("type") == "choices"
    }


def _result(label: Label) -> list[dict[str, Any]]:
    parts = ((_SENTIMENT, [label.sentiment]), (_TASTES, list(label.tastes)))
    return [
        {"from_name": name, "to_name": _TEXT, "type": "choices", "value": {"choices": choices}}
        for name, choices in parts
        if choices
    ]
