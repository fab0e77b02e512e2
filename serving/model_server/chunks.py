"""Large batches in pieces, so that memory stays bounded and deadlines are seen."""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from serving.model_server.signature import Array
from serving.model_server.statuses import Code, StatusError

MAX_CHUNK_ROWS: Final = 256


def run_in_chunks(call: Callable[..., list[Any]], arrays: list[Array], deadline_at: float | None) -> list[Array]:
    """Calls a model that answers row by row.

    Pieces are tried only when all inputs have the same first dimension; where a piece does not answer with one entry
    a row, or with another shape than the first piece, the whole batch runs at once.

    Args:
        call: takes the arrays, gives the outputs.
        arrays: inputs, (batch, …) each.
        deadline_at: `time.monotonic()` after which no further piece starts; None for never.

    Raises:
        StatusError: the deadline passed.
    """
    rows = {array.shape[0] if array.ndim else 0 for array in arrays}
    total = rows.pop() if len(rows) == 1 else 0
    if total <= MAX_CHUNK_ROWS:
        return _call(call, arrays, deadline_at)
    pieces: list[list[Array]] = []
    for start in range(0, total, MAX_CHUNK_ROWS):
        chunk = [array[start : start + MAX_CHUNK_ROWS] for array in arrays]
        results = _call(call, chunk, deadline_at)
        if not _is_row_wise(results, len(chunk[0]), pieces):
            return _call(call, arrays, deadline_at)
        pieces.append(results)
    return [np.concatenate(columns) for columns in zip(*pieces, strict=True)]


def _call(call: Callable[..., list[Any]], arrays: list[Array], deadline_at: float | None) -> list[Array]:
    if deadline_at is not None and time.monotonic() >= deadline_at:
        raise StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")
    return [np.asarray(result, object if isinstance(result, bytes) else None) for result in call(*arrays)]


def _is_row_wise(results: list[Array], rows: int, pieces: list[list[Array]]) -> bool:
    if any(result.ndim == 0 or result.shape[0] != rows for result in results):
        return False
    return not pieces or all(new.shape[1:] == old.shape[1:] for new, old in zip(results, pieces[0], strict=True))
