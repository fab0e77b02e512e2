"""Keeps what a training reads, beside the training: the work of DVC is done by a process of its own."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data.preparation import Dataset
from data.versions import Versions
from sazon.logging import get_logger
from sazon.settings import Settings

_PATIENCE_S: Final = 30.0
_LOG = get_logger("data")


@contextlib.contextmanager
def keeping(source: Path, dataset: Dataset, settings: Settings) -> Iterator[None]:
    """Records the file before the block, and brings it to DVC while the block runs.

    A remote that is away fails no training: the bytes stay in the state directory until it is back.

    Raises:
        DataError: the file is not what the dataset was made of any more.
    """
    versions = record_version(source, dataset, settings)
    keeper = _start_keeper(settings) if versions.pending() else None
    yield
    if keeper is not None:
        _wait(keeper, settings)


def record_version(source: Path, dataset: Dataset, settings: Settings) -> Versions:
    """Keeps the file's bytes in the state directory; the next `keeping` or `sazon data push` brings them to DVC.

    Raises:
        DataError: the file is not what the dataset was made of any more.
    """
    versions = Versions(settings.state.versions, settings.data.remote)
    versions.record(source, dataset.digest, sum(dataset.rows.values()) + dataset.duplicates_dropped, trained=True)
    return versions


def _start_keeper(settings: Settings) -> subprocess.Popen[bytes]:
    """A session of its own: Ctrl-C on the training lets it finish."""
    environment = {**os.environ, "SAZON_HOME": str(settings.state.root)}
    if settings.data.remote is not None:
        environment["SAZON_DATA__REMOTE"] = settings.data.remote
    settings.state.logs.mkdir(parents=True, exist_ok=True)
    with (settings.state.logs / "versions.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "sazon.cli.main", "data", "push"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def _wait(keeper: subprocess.Popen[bytes], settings: Settings) -> None:
    place = settings.state.logs / "versions.log"
    try:
        if keeper.wait(_PATIENCE_S) != 0:
            _LOG.warning("the training data stays in %s alone (reason: %s)", settings.state.versions, place)
    except subprocess.TimeoutExpired:
        _LOG.info("the training data is still on its way to its remote; see %s", place)
