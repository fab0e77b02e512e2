"""One loaded version of a model, run through a TensorFlow session as TensorFlow Serving runs it."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2

from sazon.memory import release_freed_memory
from serving.model_server.chunks import run_in_chunks
from serving.model_server.options import SessionOptions
from serving.model_server.signature import DEFAULT_SIGNATURE, NUMPY_TYPES, Array, Signature
from serving.model_server.statuses import Code, StatusError

_CALLER_THREAD: Final = -1
_WARM_UP_ROWS: Final = (1, 2)
"""One row takes other kernels than several."""


class Servable:
    """A SavedModel held in memory; safe to run from several threads."""

    def __init__(self, folder: Path, version: int, options: SessionOptions) -> None:
        """Loads the SavedModel.

        Args:
            folder: where `saved_model.pb` lies.
            version: the number it is served under.
            options: tags and threads; the first session of a process decides about the threads of all.

        Raises:
            Exception: whatever TensorFlow raises for a SavedModel that it cannot load.
        """
        self.version = version
        config = config_pb2.ConfigProto(
            intra_op_parallelism_threads=options.intra_op_threads,
            inter_op_parallelism_threads=options.inter_op_threads,
        )
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            with self._session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, list(options.tags), str(folder))
            self.signature_defs = {name: _copy(proto) for name, proto in meta_graph.signature_def.items()}
            self.signatures = {name: _signature(proto) for name, proto in self.signature_defs.items()}
            self._callables: dict[tuple[str, tuple[str, ...]], Callable[..., list[Any]]] = {}
            self._lock = threading.Lock()
        except BaseException:
            self._session.close()
            raise

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
            results = run_in_chunks(call, arrays, deadline_at)
        except tf.errors.OpError as error:
            raise StatusError(Code(error.error_code), error.message) from None
        return dict(zip(names, results, strict=True))

    def run_blank_rows(self) -> None:
        """The first runs are slow, and should not be a client's; that the model refuses made-up rows is fine."""
        signature = self.signatures.get(DEFAULT_SIGNATURE)
        infos = self.signature_defs[DEFAULT_SIGNATURE].inputs if signature else {}
        if signature is None or any(_type_name(info) not in NUMPY_TYPES for info in infos.values()):
            return
        for rows in _WARM_UP_ROWS:
            with contextlib.suppress(StatusError):
                self.run(DEFAULT_SIGNATURE, {name: _blank_rows(infos[name], rows) for name in signature.inputs})

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
            # Optimising the graph took ten times the model's size for a moment.
            release_freed_memory()
        return self._callables[key]


def _copy(proto: meta_graph_pb2.SignatureDef) -> meta_graph_pb2.SignatureDef:
    """On its own, without the whole graph's message in memory behind it."""
    copied = meta_graph_pb2.SignatureDef()
    copied.CopyFrom(proto)
    return copied


def _signature(proto: meta_graph_pb2.SignatureDef) -> Signature:
    inputs = {name: _type_name(info) for name, info in sorted(proto.inputs.items())}
    shapes = {
        name: tuple(dim.size for dim in info.tensor_shape.dim)
        for name, info in proto.inputs.items()
        if not info.tensor_shape.unknown_rank
    }
    return Signature(inputs, tuple(sorted(proto.outputs)), shapes)


def _blank_rows(info: meta_graph_pb2.TensorInfo, rows: int) -> Array:
    shape = [rows if dim.size < 0 else dim.size for dim in info.tensor_shape.dim]
    kind = NUMPY_TYPES[_type_name(info)]
    return np.full(shape, b"", object) if kind is np.object_ else np.zeros(shape, kind)


def _type_name(info: meta_graph_pb2.TensorInfo) -> str:
    return types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower()
