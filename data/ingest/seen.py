"""Sets of 64-bit keys that cost eight bytes a key."""

import hashlib

import numpy as np
import numpy.typing as npt
import polars as pl

Keys = npt.NDArray[np.uint64]

_BETWEEN = "\x1f"


class KeySet:
    """A growing set of keys: sorted runs, merged as they become alike in size."""

    def __init__(self) -> None:
        self._runs: list[Keys] = []

    def add(self, keys: Keys) -> None:
        """Adds (keys,) uint64, in any order."""
        if not keys.size:
            return
        self._runs.append(np.sort(keys))
        while len(self._runs) > 1 and self._runs[-2].size < 2 * self._runs[-1].size:
            merged = np.concatenate(self._runs[-2:])
            merged.sort(kind="stable")
            self._runs[-2:] = [merged]

    def contains(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Whether each of (keys,) was added."""
        order = np.argsort(keys)  # a search in order stays in the processor's cache
        ordered = keys[order]
        found = np.zeros(keys.size, bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, ordered), run.size - 1)
            found[order] |= run[places] == ordered
        return found


def row_keys(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.Series:
    """A key of the values of each row, the same on every machine and in every version.

    Returns:
        (rows,) UInt64.
    """
    joined = frame.select(
        pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in columns], separator=_BETWEEN)
    ).to_series()
    digests = b"".join([hashlib.blake2b(cell.encode(), digest_size=8).digest() for cell in joined])
    return pl.Series("key", np.frombuffer(digests, "<u8"), dtype=pl.UInt64)
