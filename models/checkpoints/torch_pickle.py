"""Reads the tensors of a pytorch_model.bin without PyTorch and without running what a pickle may carry.

Both formats that `torch.save` has written: the zip archive (since PyTorch 1.6) and the older stream, as on the hub's
elder checkpoints. Only what rebuilds a tensor is allowed; anything else in the pickle is refused.

Source of both layouts: torch/serialization.py.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import ml_dtypes
import numpy as np

_LEGACY_MAGIC: Final = 0x1950A86A20F9469CFC6C
_DTYPES: Final = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


@dataclass
class _Storage:
    """A flat run of numbers; the older stream brings them after the pickle that names them."""

    dtype: np.dtype[Any]
    numbers: np.ndarray | None = None


@dataclass
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def numpy(self) -> np.ndarray:
        numbers = self.storage.numbers
        if numbers is None:
            raise pickle.UnpicklingError("a tensor without numbers")
        reach = sum((length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True))
        within = self.offset + reach < numbers.size and math.prod(self.shape) <= numbers.size
        if min(self.offset, *self.shape, *self.strides, 0) < 0 or not (within or 0 in self.shape):
            raise pickle.UnpicklingError("a tensor that reaches beyond its numbers")
        size = self.storage.dtype.itemsize
        steps = tuple(stride * size for stride in self.strides)
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps, writeable=False).copy()


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: _Tensor, *_: Any) -> _Tensor:
    return tensor


_ALLOWED: Final[dict[tuple[str, str], Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, storage_of: Callable[[tuple[Any, ...]], _Storage]) -> None:
        super().__init__(stream, encoding="utf-8")
        self._storage_of = storage_of

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a tensor") from None

    def persistent_load(self, pid: tuple[Any, ...]) -> _Storage:
        return self._storage_of(pid)


def read_torch_pickle(path: Path) -> dict[str, np.ndarray]:
    """Reads every tensor of a state dict.

    Args:
        path: a file that `torch.save(model.state_dict(), path)` wrote.

    Returns:
        Arrays by name, in the dtype of the file.

    Raises:
        pickle.UnpicklingError: the file is no such state dict, is damaged, or holds more than tensors.
    """
    try:
        with path.open("rb") as stream:
            state = _read_zip(stream) if zipfile.is_zipfile(path) else _read_legacy(stream)
        return {name: tensor.numpy() for name, tensor in state.items() if isinstance(tensor, _Tensor)}
    except (pickle.UnpicklingError, OSError):
        raise
    except Exception as error:  # a damaged pickle fails in any way
        raise pickle.UnpicklingError(f"damaged: {error or type(error).__name__}") from None


def _read_zip(stream: BinaryIO) -> dict[str, Any]:
    with zipfile.ZipFile(stream) as archive:
        root = next(name for name in archive.namelist() if name.endswith("data.pkl")).removesuffix("data.pkl")

        def storage_of(pid: tuple[Any, ...]) -> _Storage:
            _, dtype, key, *_ = pid
            return _Storage(dtype, np.frombuffer(archive.read(f"{root}data/{key}"), dtype))

        return _Unpickler(io.BytesIO(archive.read(f"{root}data.pkl")), storage_of).load()


def _read_legacy(stream: BinaryIO) -> dict[str, Any]:
    storages: dict[str, _Storage] = {}

    def storage_of(pid: tuple[Any, ...]) -> _Storage:
        _, dtype, key, *_, view = pid
        if view is not None:
            raise pickle.UnpicklingError("a storage inside another one")
        return storages.setdefault(key, _Storage(dtype))

    def load() -> Any:
        return _Unpickler(stream, storage_of).load()

    if load() != _LEGACY_MAGIC:
        raise pickle.UnpicklingError("neither a zip archive nor PyTorch's older stream")
    load()  # protocol version
    load()  # byte order and sizes of the writer
    state = load()
    for key in load():
        storage = storages[key]
        count = int.from_bytes(stream.read(8), "little")
        storage.numbers = np.frombuffer(stream.read(count * storage.dtype.itemsize), storage.dtype, count)
    return state
