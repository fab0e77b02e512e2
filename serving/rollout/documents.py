"""The small texts that tell servers and gateways what to do: a file here, a key of a ConfigMap in a cluster."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sazon.home import write_atomically


class Document(Protocol):
    """One of them; as a string it says where it is."""

    def read(self) -> str | None:
        """What it says; None where nobody has written it yet.

        Raises:
            ServingError: the place cannot be reached.
        """
        ...

    def change(self, edit: Callable[[str | None], str]) -> None:
        """Replaces it by what `edit` makes of it; nothing that somebody else writes meanwhile is lost.

        Raises:
            ServingError: the place cannot be reached, or nobody may write there.
        """
        ...


@dataclass(frozen=True)
class FileDocument:
    """A file; this process alone writes it."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> str | None:
        """See `Document`."""
        return self.path.read_text(encoding="utf-8") if self.path.exists() else None

    def change(self, edit: Callable[[str | None], str]) -> None:
        """See `Document`."""
        write_atomically(self.path, edit(self.read()))
