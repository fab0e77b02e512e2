"""How the process takes memory from the system."""

import ctypes
import ctypes.util
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory instead of giving it back at once; call it before heavy tensor work.

    TensorFlow on a CPU allocates and frees tensors of megabytes in every operation. By default glibc maps each of them
    anew, and the kernel clears the pages again and again: 40% of all time was system time, and a training step took
    twice to two and a half times as long. Does nothing where the C library is not glibc.
    """
    library = _glibc()
    if library is None:
        return
    # Older glibc refuses a threshold above 32 MiB.
    if library.mallopt(_M_MMAP_THRESHOLD, 1 << 30) or library.mallopt(_M_MMAP_THRESHOLD, 32 << 20):
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        library.mallopt(_M_TOP_PAD, 64 << 20)


def share_arenas(count: int) -> None:
    """Limits glibc's arenas (by default eight a core, each with its own waste); call it before threads start."""
    library = _glibc()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, count)


def release_freed_memory() -> None:
    """Gives freed memory back to the system: after a step that takes much once, not between requests."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
