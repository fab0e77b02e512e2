"""Texts that are nearly the same, by MinHash and locality-sensitive hashing.

A text becomes the set of its 4-character shingles (of its normalised form); 64 minima of hashes of that set stand for
it; eight bands of eight minima are its keys. Two texts of Jaccard similarity s share a band with probability
1 - (1 - s⁸)⁸: 0.98 at 0.9, 0.77 at 0.8, 0.38 at 0.7, 0.03 at 0.5.

Source: Broder, On the resemblance and containment of documents (1997); Indyk and Motwani (1998). See ADR 0017 for why
this is numpy and not datasketch.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

BANDS: Final = 8
_ROWS: Final = 8
_SHINGLE: Final = 4
_MIN_CHARS: Final = 20
"""A shorter text is alike others because there is little to say."""
_ROWS_AT_ONCE: Final = 2000
_GENERATION_ROWS: Final = 500_000
_NOBODY: Final = np.iinfo(np.int32).max

_rng = np.random.default_rng(20_260_401)
_FACTORS: Final = _rng.integers(1, 1 << 32, BANDS * _ROWS, np.uint32) | np.uint32(1)
_SHIFTS: Final = _rng.integers(0, 1 << 32, BANDS * _ROWS, np.uint32)
_WEIGHTS: Final = _rng.integers(1, 1 << 63, _ROWS, np.uint64) | np.uint64(1)

Bands = npt.NDArray[np.uint64]


def near_keys(texts: pl.Series) -> Bands:
    """Keys of texts; the same on every machine.

    Args:
        texts: (rows,) String.

    Returns:
        (rows, BANDS) uint64; a text too short to compare has zeros.
    """
    bare = (
        texts.str.to_lowercase()
        .str.normalize("NFD")
        .str.replace_all(r"[\p{M}\p{P}\p{S}]+", "")
        .str.replace_all(r"\s+", " ")
    ).str.strip_chars()
    keys = np.zeros((len(bare), BANDS), np.uint64)
    long = (bare.str.len_chars() >= _MIN_CHARS).arg_true().to_numpy()
    for start in range(0, long.size, _ROWS_AT_ONCE):
        rows = long[start : start + _ROWS_AT_ONCE]
        keys[rows] = _bands(*_shingles(bare.gather(rows)))
    return keys


def _shingles(texts: pl.Series) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Hashes of all shingles of all texts, and where each text's begin. Texts are at least a shingle long."""
    encoded = [text.encode("utf-8")[: 4 * 1024] for text in texts]
    points = np.frombuffer(b"".join(encoded), np.uint8).astype(np.uint32)
    ends = np.cumsum([len(one) for one in encoded])
    starts = ends - [len(one) for one in encoded]
    packed = points.copy()
    for place in range(1, _SHINGLE):
        packed[:-place] |= points[place:] << np.uint32(8 * place)
    keep = np.ones(points.size, bool)
    for place in range(1, _SHINGLE):
        keep[ends - place] = False
    packed = packed[keep]
    packed ^= packed >> np.uint32(15)
    packed *= np.uint32(0x2C1B3C6D)
    packed ^= packed >> np.uint32(12)
    packed *= np.uint32(0x297A2D39)
    packed ^= packed >> np.uint32(15)
    return packed, starts - (_SHINGLE - 1) * np.arange(len(encoded))


def _bands(hashes: npt.NDArray[np.uint32], starts: npt.NDArray[np.int64]) -> Bands:
    minima = np.empty((starts.size, BANDS * _ROWS), np.uint64)
    for column, (factor, shift) in enumerate(zip(_FACTORS, _SHIFTS, strict=True)):
        minima[:, column] = np.minimum.reduceat(hashes * factor + shift, starts)
    mixed = (minima.reshape(-1, BANDS, _ROWS) * _WEIGHTS).sum(axis=2, dtype=np.uint64)
    mixed ^= mixed >> np.uint64(29)
    keys: Bands = (mixed * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)  # never the zero of a short text
    return keys


class NearDuplicates:
    """Finds for each text an earlier one that shares a band with it, among the last half million to million texts."""

    def __init__(self) -> None:
        self._older, self._newer = _Index(), _Index()

    def match(self, keys: Bands, names: pl.Series) -> pl.Series:
        """Compares rows with earlier ones and with each other, and remembers them.

        Args:
            keys: (rows, BANDS) of `near_keys`.
            names: (rows,) String; what they are called.

        Returns:
            (rows,) String: the name of an earlier row, null where none is near.
        """
        if self._newer.size >= _GENERATION_ROWS:
            self._older, self._newer = self._newer, _Index()
        keys = np.where(keys == 0, keys, keys ^ np.arange(BANDS, dtype=np.uint64) << np.uint64(1))
        old = self._older.find(keys)
        new = self._newer.add(keys, names)
        return old.zip_with(old.is_not_null(), new)


class _Index:
    """Rows by their bands: runs of sorted keys, merged as they become alike in size."""

    def __init__(self) -> None:
        self._runs: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]] = []
        self._names = pl.Series("near_duplicate_of", [], dtype=pl.String)

    @property
    def size(self) -> int:
        return len(self._names)

    def find(self, keys: Bands) -> pl.Series:
        """(rows,) the name of the earliest row that shares a band, else null."""
        return self._name(self._find(keys))

    def add(self, keys: Bands, names: pl.Series) -> pl.Series:
        """As `find`, among the rows before each one; the rows are added."""
        own = np.arange(self.size, self.size + len(names), dtype=np.int32)
        before = self._find(keys)
        self._names.append(names)
        flat, owners = keys.reshape(-1), np.repeat(own, BANDS)
        run = _first_of_each(flat[flat != 0], owners[flat != 0])
        self._insert(run)
        within = _look_up(run, keys)
        within[within >= own] = _NOBODY
        return self._name(np.minimum(before, within))

    def _find(self, keys: Bands) -> npt.NDArray[np.int32]:
        found = np.full(len(keys), _NOBODY, np.int32)
        for run in self._runs:
            found = np.minimum(found, _look_up(run, keys))
        return found

    def _insert(self, run: tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]) -> None:
        self._runs.append(run)
        while len(self._runs) > 1 and self._runs[-2][0].size < 2 * self._runs[-1][0].size:
            (left, right) = self._runs[-2:]
            merged = _first_of_each(np.concatenate([left[0], right[0]]), np.concatenate([left[1], right[1]]))
            self._runs[-2:] = [merged]

    def _name(self, places: npt.NDArray[np.int32]) -> pl.Series:
        known = pl.Series(places, dtype=pl.Int32)
        return self._names.gather(known.set(known == int(_NOBODY), None))


def _first_of_each(
    keys: npt.NDArray[np.uint64], owners: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Sorted, and of equal keys the first: owners come in rising order."""
    order = np.argsort(keys, kind="stable")
    keys, owners = keys[order], owners[order]
    first = np.ones(keys.size, bool)
    first[1:] = keys[1:] != keys[:-1]
    return keys[first], owners[first]


def _look_up(run: tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]], keys: Bands) -> npt.NDArray[np.int32]:
    """(rows,) the least owner of any of each row's keys."""
    known, owners = run
    if not known.size:
        return np.full(len(keys), _NOBODY, np.int32)
    flat = keys.reshape(-1)
    order = np.argsort(flat)  # a search in order stays in the processor's cache
    ordered = flat[order]
    places = np.minimum(np.searchsorted(known, ordered), known.size - 1)
    found = np.empty(flat.size, np.int32)
    found[order] = np.where((known[places] == ordered) & (ordered != 0), owners[places], _NOBODY)
    return found.reshape(keys.shape).min(axis=1)
