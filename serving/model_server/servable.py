"""One loaded version of a model, run through a TensorFlow session as TensorFlow Serving runs it."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the tokeniser's operations)
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2

from serving.model_server.signature import DEFAULT_SIGNATURE, NUMPY_TYPES, Array, Signature
from serving.model_server.statuses import Code, StatusError

MAX_CHUNK_ROWS: Final = 256
"""Larger batches run in pieces, so that memory stays bounded and deadlines are seen."""

_SERVE_TAG: Final = "serve"
_CALLER_THREAD: Final = -1


class Servable:
    """A SavedModel held in memory; safe to run from several threads."""

    def __init__(self, folder: Path, version: int, intra_op_threads: int = 1) -> None:
        """Loads the SavedModel.

        Args:
            folder: where `saved_model.pb` lies.
            version: the number it is served under.
            intra_op_threads: threads of one operation; the first session of a process decides for all.

        Raises:
            Exception: whatever TensorFlow raises for a SavedModel that it cannot load.
        """
        self.version = version
        config = config_pb2.ConfigProto(intra_op_parallelism_threads=intra_op_threads)
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            with self._session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, [_SERVE_TAG], str(folder))
        except BaseException:
            self._session.close()
            raise
        self.signature_defs: Mapping[str, meta_graph_pb2.SignatureDef] = dict(meta_graph.signature_def)
        self.signatures = {name: _signature(proto) for name, proto in self.signature_defs.items()}
        self._callables: dict[tuple[str, tuple[str, ...]], Callable[..., list[Any]]] = {}
        self._lock = threading.Lock()
        self._warm_up()

    def run(
        self,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: tuple[str, ...] | None = None,
        deadline_at: float | None = None,
    ) -> dict[str, Array]:
        """Runs the model.

        Args:
            signature: one of `signatures`.
            inputs: one array for every input of the signature.
            outputs: names to compute; None for all.
            deadline_at: `time.monotonic()` after which no further piece starts.

        Returns:
            Output arrays by name.

        Raises:
            StatusError: the model refused its input, or the deadline passed.
        """
        names = outputs or self.signatures[signature].outputs
        call = self._callable(signature, names)
        arrays = [inputs[name] for name in self.signatures[signature].inputs]
        try:
            results = _run_in_chunks(call, arrays, deadline_at)
        except tf.errors.OpError as error:
            raise StatusError(Code(error.error_code), error.message) from None
        return dict(zip(names, results, strict=True))

    def close(self) -> None:
        """Frees the model; nothing may run on it any more."""
        self._session.close()

    def _callable(self, signature: str, outputs: tuple[str, ...]) -> Callable[..., list[Any]]:
        key = (signature, outputs)
        if key not in self._callables:
            proto = self.signature_defs[signature]
            options = config_pb2.CallableOptions()
            options.feed.extend(proto.inputs[name].name for name in self.signatures[signature].inputs)
            options.fetch.extend(proto.outputs[name].name for name in outputs)
            options.run_options.inter_op_thread_pool = _CALLER_THREAD
            with self._lock:
                # A prepared callable costs a fifth of `Session.run`, which re-reads feeds and fetches every time.
                self._callables.setdefault(key, self._session._make_callable_from_options(options))
        return self._callables[key]

    def _warm_up(self) -> None:
        """The first run is slow; it should not be a client's. A model may refuse the made-up row, which is fine."""
        signature = self.signatures.get(DEFAULT_SIGNATURE)
        if signature is not None:
            with contextlib.suppress(StatusError, ValueError, TypeError, KeyError):
                infos = self.signature_defs[DEFAULT_SIGNATURE].inputs
                self.run(DEFAULT_SIGNATURE, {name: _blank_row(infos[name]) for name in signature.inputs})


def _run_in_chunks(call: Callable[..., list[Any]], arrays: list[Array], deadline_at: float | None) -> list[Array]:
    rows = {array.shape[0] if array.ndim else 0 for array in arrays}
    total = rows.pop() if len(rows) == 1 else 0
    if total <= MAX_CHUNK_ROWS:
        _check_deadline(deadline_at)
        return list(map(_as_array, call(*arrays)))
    pieces: list[list[Array]] = []
    for start in range(0, total, MAX_CHUNK_ROWS):
        _check_deadline(deadline_at)
        chunk = [array[start : start + MAX_CHUNK_ROWS] for array in arrays]
        results = list(map(_as_array, call(*chunk)))
        if not _is_row_wise(results, len(chunk[0]), pieces):
            return list(map(_as_array, call(*arrays)))
        pieces.append(results)
    return [np.concatenate(columns) for columns in zip(*pieces, strict=True)]


def _is_row_wise(results: list[Array], rows: int, pieces: list[list[Array]]) -> bool:
    """Whether the pieces can be joined: one result a row, of the same shape in every piece."""
    if any(result.ndim == 0 or result.shape[0] != rows for result in results):
        return False
    return not pieces or all(new.shape[1:] == old.shape[1:] for new, old in zip(results, pieces[0], strict=True))


def _check_deadline(deadline_at: float | None) -> None:
    if deadline_at is not None and time.monotonic() >= deadline_at:
        raise StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")


def _signature(proto: meta_graph_pb2.SignatureDef) -> Signature:
    inputs = {name: _type_name(info) for name, info in sorted(proto.inputs.items())}
    return Signature(inputs, tuple(sorted(proto.outputs)))


def _blank_row(info: meta_graph_pb2.TensorInfo) -> Array:
    shape = [max(dim.size, 1) for dim in info.tensor_shape.dim]
    kind = NUMPY_TYPES[_type_name(info)]
    return np.full(shape, b"", object) if kind is np.object_ else np.zeros(shape, kind)


def _type_name(info: meta_graph_pb2.TensorInfo) -> str:
    return types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower()


def _as_array(result: Any) -> Array:
    return np.asarray(result, object if isinstance(result, bytes) else None)
