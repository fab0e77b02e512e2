"""DVC as it is used here: a repository without git, its cache, one remote. Importing this module imports DVC."""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_objects.fs.errors import AuthError, ConfigError, RemoteMissingDepsError
from filelock import FileLock

from sazon.errors import SazonError

_REMOTE: Final = "store"
_ERRORS: Final = (DvcException, AuthError, ConfigError, RemoteMissingDepsError, ImportError, OSError)


class DvcRepository:
    """Keeps files of one folder; made on first use."""

    def __init__(self, folder: Path, remote: str) -> None:
        """Opens nothing yet.

        Args:
            folder: of the repository.
            remote: where a second copy of every file goes: a directory or a URL, as `dvc remote add` takes it.
        """
        logging.getLogger("dvc").setLevel(logging.CRITICAL)  # what goes wrong is raised
        self._folder, self._remote = folder, remote

    def push(self, names: Sequence[str]) -> int:
        """Brings files into the cache, and all that the remote lacks there; the files themselves stay.

        Args:
            names: of new files in the folder.

        Returns:
            How many files were sent.

        Raises:
            SazonError: the remote cannot be reached, or lacks a plug-in.
        """
        with self._open() as repository:
            if names:
                repository.add([str(self._folder / name) for name in names])
            return int(repository.push())

    @contextlib.contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        """Streams a file from the cache, or from the remote where the cache lost it.

        Raises:
            SazonError: neither has it.
        """
        with self._open() as repository, repository.dvcfs.open(name, "rb") as stream:
            yield stream

    def forget_cached(self, name: str) -> None:
        """Removes a damaged file from the cache, so that the next reading asks the remote."""
        with self._open() as repository:
            for output in repository.find_outs_by_path(str(self._folder / name)):
                Path(output.cache_path).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        """One process at a time: DVC's own lock gives up within seconds."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._folder / "repository.lock"):
                self._configure()
                with contextlib.closing(Repo(str(self._folder))) as repository:
                    yield repository
        except _ERRORS as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise SazonError(f"DVC in {self._folder}, remote {self._remote}: {reason[:300]}") from error

    def _configure(self) -> None:
        """Nothing outside the folder but the remote, no statistics, no look for newer versions."""
        site_cache = self._folder / ".dvc" / "tmp" / "site"
        os.environ["DVC_SITE_CACHE_DIR"] = str(site_cache)
        # The file is the last that making a repository writes.
        made = (self._folder / ".dvcignore").exists()
        opened = Repo(str(self._folder)) if made else Repo.init(str(self._folder), no_scm=True, force=True)
        wanted = {"analytics": False, "check_update": False, "remote": _REMOTE}
        with contextlib.closing(opened) as repository, repository.config.edit("repo") as settings:
            settings["core"].update(wanted)
            settings["remote"].setdefault(_REMOTE, {})["url"] = self._remote
