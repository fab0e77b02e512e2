"""The bytes that models were trained on: named by their SHA-256, kept by DVC, brought back by that name.

A file is safe once `record` returns: it lies in the folder under its digest, with a note beside it. `push` then brings
it into DVC's cache and remote, which takes seconds, and removes the copy. Whatever is interrupted is done by the
next `push`.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from sazon.errors import DataError, SazonError, UserError
from sazon.home import write_atomically

if TYPE_CHECKING:
    from data.dvc_repository import DvcRepository

_CHUNK: Final = 1 << 20
_LEAST_PREFIX: Final = 4


@dataclass(frozen=True)
class DataVersion:
    """What is known of some bytes.

    Attributes:
        digest: SHA-256, 64 hexadecimal digits.
        bytes: how many.
        rows: how many records, where the recorder knew.
        recorded_at: ISO-8601, UTC; when they were seen first.
        sources: names of the files that held them.
        batches: digests of the ingest batches that they were exported from; empty for a file from elsewhere.
        trained_at: ISO-8601, UTC; when a training last began on them; empty where none did.
    """

    digest: str
    bytes: int
    rows: int | None
    recorded_at: str
    sources: tuple[str, ...]
    batches: tuple[str, ...] = ()
    trained_at: str = ""


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Versions:
    """The versions of one folder."""

    def __init__(self, folder: Path, remote: str | None = None) -> None:
        """Makes and reads nothing yet.

        Args:
            folder: `Home.versions`.
            remote: a directory or a URL, as `dvc remote add` takes it; by default a directory beside the cache.
        """
        self._folder = folder
        chosen = str(folder / "remote") if remote is None else remote
        self._remote = chosen if "://" in chosen else str(Path(chosen).expanduser().resolve())

    def record(
        self,
        source: Path,
        digest: str | None = None,
        rows: int | None = None,
        batches: Sequence[str] = (),
        *,
        trained: bool = False,
    ) -> DataVersion:
        """Keeps a file's bytes; milliseconds where they are known already.

        Args:
            source: the file.
            digest: what it must have, where somebody read it before.
            rows: its records.
            batches: the ingest batches that it was made of.
            trained: whether a training begins on it.

        Raises:
            DataError: the file is not what it was any more.
        """
        found = digest_of(source)
        if digest is not None and found != digest:
            raise DataError(f"{source}: changed while it was read; start again")
        known = self._read_note(found)
        if known is None or not self._has(found):
            self._copy_in(source, found)
        if known is None:
            known = DataVersion(found, source.stat().st_size, rows, _now(), ())
        told = replace(
            known,
            rows=known.rows if rows is None else rows,
            sources=tuple(dict.fromkeys((*known.sources, source.name))),
            batches=tuple(batches) or known.batches,
            trained_at=_now() if trained else known.trained_at,
        )
        if told != self._read_note(found):
            write_atomically(self._note(found), json.dumps(asdict(told), ensure_ascii=False, indent=2) + "\n")
        return told

    def pending(self) -> list[str]:
        """Digests that DVC does not have in cache and remote, as far as is known."""
        return sorted(path.name for path in self._folder.glob("*") if re.fullmatch(r"[0-9a-f]{64}", path.name))

    def push(self) -> int:
        """Brings what is pending into DVC's cache, and everything that the remote lacks there.

        Returns:
            Files sent.

        Raises:
            SazonError: the remote cannot be reached; what was pending stays so.
        """
        if not self.all():
            return 0
        pending = self.pending()
        sent = self._repository().push(pending)
        for digest in pending:
            (self._folder / digest).unlink()
        return sent

    def all(self) -> list[DataVersion]:
        """Every version, newest first."""
        notes = (self._read_note(path.stem) for path in self._folder.glob("*.json"))
        return sorted(filter(None, notes), key=lambda version: (version.recorded_at, version.digest), reverse=True)

    def resolve(self, prefix: str) -> DataVersion:
        """The version whose digest begins so.

        Raises:
            UserError: none, or several do.
        """
        wanted = prefix.strip().lower()
        if not re.fullmatch(rf"[0-9a-f]{{{_LEAST_PREFIX},64}}", wanted):
            raise UserError(f'"{prefix}" is not a digest (want {_LEAST_PREFIX} to 64 hexadecimal digits)')
        found = [version for version in self.all() if version.digest.startswith(wanted)]
        if not found:
            raise UserError(f"{prefix}: no such data is recorded (see: sazon data versions)")
        if len(found) > 1:
            several = ", ".join(version.digest[: len(wanted) + 6] + "…" for version in found[:4])
            raise UserError(f"{prefix}: {len(found)} digests begin so ({several}); give more digits")
        return found[0]

    def checkout(self, version: DataVersion, target: Path) -> None:
        """Writes the bytes to a file that does not exist yet, whole or not at all.

        Raises:
            UserError: the file exists.
            SazonError: the bytes are lost, or damaged wherever they are.
        """
        if target.exists():
            raise UserError(f"{target} exists already: name a new file with --out, or remove it")
        target.parent.mkdir(parents=True, exist_ok=True)
        pending = self._folder / version.digest
        if pending.exists():
            if _write_checked(pending.open("rb"), version.digest, target):
                return
            raise SazonError(f"{pending} is damaged: its bytes do not have that digest; train on the file again")
        repository = self._repository()
        if not _write_checked(repository.read(version.digest), version.digest, target):
            repository.forget_cached(version.digest)
            if not _write_checked(repository.read(version.digest), version.digest, target):
                raise SazonError(f"{version.digest}: the bytes in {self._remote} are damaged: they have another digest")

    def _has(self, digest: str) -> bool:
        """Whether the bytes are here, or DVC was given them."""
        return (self._folder / digest).exists() or (self._folder / f"{digest}.dvc").exists()

    def _copy_in(self, source: Path, digest: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as stream:
            if not _write_checked(stream, digest, self._folder / digest):
                raise DataError(f"{source}: changed while it was read; start again")

    def _note(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"

    def _read_note(self, digest: str) -> DataVersion | None:
        try:
            note = json.loads(self._note(digest).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return DataVersion(**{**note, "sources": tuple(note["sources"]), "batches": tuple(note["batches"])})

    def _repository(self) -> "DvcRepository":
        from data.dvc_repository import DvcRepository

        return DvcRepository(self._folder, self._remote)


def _write_checked(stream: AbstractContextManager[BinaryIO], digest: str, target: Path) -> bool:
    """Copies into a new file; leaves none and says False where the bytes have another digest."""
    content = hashlib.sha256()
    with (
        stream as source,
        tempfile.NamedTemporaryFile(
            prefix=f".{target.name}.", suffix=".partial", dir=target.parent, delete=False
        ) as staged,
    ):
        place = Path(staged.name)
        try:
            while chunk := source.read(_CHUNK):
                content.update(chunk)
                staged.write(chunk)
            staged.flush()
            os.fsync(staged.fileno())
            if content.hexdigest() != digest:
                return False
            place.chmod(0o644)
            place.replace(target)
        finally:
            place.unlink(missing_ok=True)
    return True


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
