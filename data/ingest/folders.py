"""One file, or all of a folder."""

from collections.abc import Iterator
from pathlib import Path

from data.ingest.ingestion import ingest_file
from data.ingest.mapping import Mapping
from data.ingest.progress import progress_bar
from data.ingest.report import Report
from data.ingest.sources import ENDINGS, STDIN
from data.store import Store
from sazon.errors import DataError


def ingest_all(store: Store, source: Path, mapping: Mapping, *, near: bool) -> Iterator[Report]:
    """Ingests a file, or the files of a folder in the order of their names; each is a batch of its own.

    Raises:
        DataError: the file is refused, or the folder holds none. A file of a folder that is refused says so in its
            report, and the others are ingested.
    """
    if str(source) == STDIN or not source.is_dir():
        with progress_bar(source.name) as progress:
            yield ingest_file(store, source, mapping, near=near, progress=progress)
        return
    files = find_files(source)
    if not files:
        raise DataError(f"{source}: holds no file to ingest (want {', '.join(ENDINGS)})")
    for path in files:
        name = str(path.relative_to(source))
        try:
            with progress_bar(name) as progress:
                report = ingest_file(store, path, mapping, near=near, progress=progress)
            report.source = name
        except DataError as error:
            report = Report(name, error=str(error))
        yield report


def find_files(folder: Path) -> list[Path]:
    """Files with a known ending, hidden ones left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
