"""By when a request has to be answered."""

import re
import time
from dataclasses import dataclass
from typing import Final

from serving.gateway.errors import ApiError

TIMEOUT_HEADER: Final = "X-Timeout-Ms"
MAX_TIMEOUT_MS: Final = 999_999_999

_MILLISECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    @classmethod
    def read(cls, header: str | None, longest_s: float) -> "Deadline":
        """The client's wish, at most the gateway's own limit, counted from now.

        Args:
            header: milliseconds as in the header `X-Timeout-Ms`; None for no wish.
            longest_s: the gateway's limit.

        Raises:
            ApiError: 400, the header is no positive number of milliseconds.
        """
        if header is None:
            return cls.after(longest_s)
        if not _MILLISECONDS.fullmatch(header) or not int(header):
            raise ApiError(400, "invalid_request", f"header {TIMEOUT_HEADER}: must be whole milliseconds, 1 or more")
        return cls.after(min(int(header) / 1000, longest_s))

    @property
    def left_s(self) -> float:
        """Seconds from now; never negative."""
        return max(self.at_s - time.monotonic(), 0.0)
