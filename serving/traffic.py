"""Who answers which share of requests: written by the rollout, read by the gateways.

A file, so that it reaches many gateways as a mounted ConfigMap as well as from a local directory.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sazon.errors import DamagedTraffic
from sazon.home import write_atomically

STABLE: Final = "stable"
CANARY: Final = "canary"


@dataclass(frozen=True)
class Traffic:
    """Versions by number, as the model server names them; None: whichever it serves as its latest.

    Attributes:
        stable: answers what no other version answers.
        canary: a version on trial, if there is one.
        canary_share: of requests that the canary answers, 0 to 1.
        shadow_share: of requests that the canary answers too, unseen by the caller, 0 to 1.
    """

    stable: int | None = None
    canary: int | None = None
    canary_share: float = 0.0
    shadow_share: float = 0.0

    @classmethod
    def parse(cls, text: str, place: object) -> "Traffic":
        """What was written at a place.

        Raises:
            DamagedTraffic: it is no traffic.
        """
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise DamagedTraffic(f"{place} is damaged: {error}; `sazon doctor` writes it anew") from None

    @classmethod
    def read(cls, path: Path) -> "Traffic":
        """The file's, or that of a server without rollout where there is no file.

        Raises:
            DamagedTraffic: the file holds something else.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"), path)
        except FileNotFoundError:
            return cls()

    def as_text(self) -> str:
        """As `parse` reads it."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def write(self, path: Path) -> None:
        """Replaces the file whole."""
        write_atomically(path, self.as_text())
