"""A drop folder: whatever is put there is ingested, then moved aside."""

import contextlib
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Final

from watchfiles import watch

from data.ingest.ingestion import ingest_file
from data.ingest.mapping import Mapping
from data.ingest.report import Report
from data.ingest.sources import ENDINGS
from data.store import Store
from sazon.errors import DataError, UserError

DONE: Final = "done"
FAILED: Final = "failed"

_LOOK_EVERY_MS: Final = 1000
_SETTLED_S: Final = 1.0


def watch_folder(
    store: Store, folder: Path, mapping: Mapping, *, near: bool, stop: Event, once: bool = False
) -> Iterator[Report | None]:
    """Ingests files as they come, until `stop` is set; with `once`, those that are there.

    A file is taken when it has not changed for a second. It then moves to `done/`, or to `failed/` with a note of what
    is wrong beside it. A kill leaves it where it is; the next start takes it again, and doubles nothing.

    Yields:
        The report of each file; None after each look, for whoever has other work at that pace.

    Raises:
        UserError: no such folder, or one under the store, where raw data has no place.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder to watch")
    if folder.resolve().is_relative_to(store.folder.parent.resolve()):
        raise UserError(f"{folder}: lies in the state directory, which holds no raw data (watch a folder elsewhere)")
    settled = _Settled()
    settled(folder)
    for _ in _one_look(stop) if once else _looks(folder, stop):
        yield from _take_all(store, settled(folder), mapping, near=near)
        yield None


def _one_look(stop: Event) -> Iterator[None]:
    stop.wait(_SETTLED_S)
    yield None


def _looks(folder: Path, stop: Event) -> Iterator[object]:
    """At each change, and every second."""
    return watch(
        folder, recursive=False, stop_event=stop, rust_timeout=_LOOK_EVERY_MS, yield_on_timeout=True, debounce=200
    )


def _take_all(store: Store, files: list[Path], mapping: Mapping, *, near: bool) -> Iterator[Report]:
    for path in files:
        if (before := _identity(path)) is None:  # another process took it in the meantime
            continue
        try:
            report = ingest_file(store, path, mapping, near=near)
        except DataError as error:
            report = Report(path.name, error=str(error))
        if _identity(path) not in (before, None):  # another delivery stands there now, for the next look
            yield report
            continue
        try:
            moved = _move(path, path.parent / (FAILED if report.error else DONE))
        except FileNotFoundError:  # another process took it in the meantime
            continue
        if report.error:
            moved.with_name(f"{moved.name}.error.txt").write_text(f"{report.error}\n", encoding="utf-8")
        yield report


def _identity(path: Path) -> tuple[int, ...] | None:
    """Tells a file from one that was put in its place; None where there is none."""
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return None


def _move(path: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    target, number = folder / path.name, 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    return path.rename(target)


class _Settled:
    """Files that nobody is writing any more."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}

    def __call__(self, folder: Path) -> list[Path]:
        seen, now = {}, self._clock()
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in ENDINGS or path.name.startswith("."):
                continue
            with contextlib.suppress(FileNotFoundError):  # another process took it in the meantime
                found = path.stat()
                if not stat.S_ISREG(found.st_mode):
                    continue
                state = (found.st_size, found.st_mtime_ns)
                before, since = self._seen.get(path, (None, now))
                seen[path] = (state, since if state == before else now)
        self._seen = seen
        return [path for path, (_, since) in seen.items() if now - since >= _SETTLED_S]
