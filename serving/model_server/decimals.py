"""Floating-point numbers as the protocol writes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def format_decimals(values: NDArray[np.floating]) -> list[str]:
    """Shortest of two spellings that reads back as the same number of the same width.

    Six significant digits where they suffice, else nine (float32 and narrower) or seventeen (float64).
    Whole numbers end in `.0`; NaN, Infinity and -Infinity stand bare.

    >>> format_decimals(np.array([0.5, 2.0, 1 / 3, 1e7], np.float32))
    ['0.5', '2.0', '0.333333343', '1e+07']

    Args:
        values: any shape, floating.

    Returns:
        One text per value, flattened in C order.
    """
    wide = np.float64 if values.dtype == np.float64 else np.float32
    flat: NDArray[Any] = values.astype(wide, copy=False).ravel()
    texts = _print("%.6g", flat)
    with np.errstate(over="ignore", invalid="ignore"):
        exact = np.array(texts, np.bytes_).astype(np.float64).astype(wide) == flat
        whole = (flat == np.rint(flat)) & np.isfinite(flat)
    digits = 17 if wide is np.float64 else 9
    longer = np.flatnonzero(~exact & np.isfinite(flat))
    for place, text in zip(longer.tolist(), _print(f"%.{digits}g", flat[longer]), strict=True):
        texts[place] = text
    for place in np.flatnonzero(whole | ~np.isfinite(flat)).tolist():
        texts[place] = _finish(texts[place])
    return texts


def _print(how: str, numbers: NDArray[Any]) -> list[str]:
    """One call for all numbers, since a call for each costs more than the printing."""
    return (f"{how} " * len(numbers) % tuple(numbers.tolist())).split()


def _finish(text: str) -> str:
    if "." in text or "e" in text:
        return text
    return _NOT_FINITE.get(text) or f"{text}.0"


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
