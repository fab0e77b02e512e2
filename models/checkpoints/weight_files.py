"""The files that hold a checkpoint's weights: safetensors, whole or in shards, and pytorch_model.bin."""

import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Final

import ml_dtypes  # noqa: F401  tells numpy what bfloat16 is
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from models.checkpoints.torch_pickle import read_torch_pickle
from sazon.errors import UserError

WEIGHTS_FILE: Final = "model.safetensors"
INDEX_FILE: Final = "model.safetensors.index.json"
PICKLE_FILE: Final = "pytorch_model.bin"
_FLOATS: Final = ("float16", "float32", "float64", "bfloat16")


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Reads a checkpoint's weights by name, as float32; tables of integers are left out.

    Raises:
        UserError: the folder holds no weights, or a file is damaged.
    """
    if (folder / WEIGHTS_FILE).exists():
        weights = _read_safetensors(folder / WEIGHTS_FILE)
    elif (folder / INDEX_FILE).exists():
        weights = {}
        for shard in _shards(folder / INDEX_FILE):
            weights |= _read_safetensors(folder / shard)
    elif (folder / PICKLE_FILE).exists():
        weights = _read_pickle(folder / PICKLE_FILE)
    else:
        raise UserError(
            f"{folder} is no checkpoint in transformers format: it has neither {WEIGHTS_FILE} nor {PICKLE_FILE}"
        )
    return {
        name: np.ascontiguousarray(tensor, np.float32)
        for name, tensor in weights.items()
        if tensor.dtype.name in _FLOATS
    }


def write_weights(folder: Path, weights: dict[str, np.ndarray], dtype: str = "float32") -> None:
    """Writes model.safetensors as transformers does; `dtype` float16 halves the file."""
    dense = {name: np.ascontiguousarray(tensor, dtype) for name, tensor in weights.items()}
    save_file(dense, folder / WEIGHTS_FILE, metadata={"format": "pt"})


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing, but {INDEX_FILE} names it: fetch the checkpoint again") from None
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} is damaged or cut off ({_line(error)}): fetch it again") from None


def _shards(index: Path) -> list[str]:
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise UserError(f"{index} is no index of shards ({_line(error)}): fetch it again") from None


def _read_pickle(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_torch_pickle(path)
    except (UnpicklingError, OSError) as error:
        raise UserError(f"{path} is no readable PyTorch checkpoint ({_line(error)}): fetch it again") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
