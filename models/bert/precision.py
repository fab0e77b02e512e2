"""Which number format matrix products use."""

import functools
from pathlib import Path
from typing import Literal

Precision = Literal["auto", "float32", "bfloat16"]
Served = Literal["auto", "float32", "bfloat16", "int8"]

_CPU_INFO = Path("/proc/cpuinfo")
_FAST_BFLOAT16 = {"amx_bf16", "avx512_bf16", "bf16"}
_FAST_INT8 = {"amx_int8", "avx512_vnni", "avx_vnni"}


def resolve_precision(wanted: Precision) -> Literal["float32", "bfloat16"]:
    """`auto` is bfloat16 where the hardware multiplies it faster than float32."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if _has_gpu() or _cpu_flags() & _FAST_BFLOAT16 else "float32"


def resolve_served(wanted: Served) -> Literal["float32", "bfloat16", "int8"]:
    """The format of an export; `auto` is int8 where the CPU has instructions for it, else as its floats are fastest."""
    if wanted != "auto":
        return wanted
    return "int8" if _cpu_flags() & _FAST_INT8 else "bfloat16" if _cpu_flags() & _FAST_BFLOAT16 else "float32"


@functools.cache
def _cpu_flags() -> frozenset[str]:
    if not _CPU_INFO.exists():
        return frozenset()
    lines = (line for line in _CPU_INFO.read_text().splitlines() if line.startswith(("flags", "Features")))
    return frozenset(next(lines, "").partition(":")[2].split())


@functools.cache
def _has_gpu() -> bool:
    import keras

    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if name == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    import torch

    return bool(torch.cuda.is_available())
