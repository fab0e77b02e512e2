"""How the process takes memory from the system."""

import ctypes
import ctypes.util
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory instead of giving it back at once; call it before heavy tensor work.

    TensorFlow on a CPU allocates and frees tensors of megabytes in every operation. By default glibc maps each of them
    anew, and the kernel clears the pages again and again: 40% of all time was system time, and a training step took
    twice to two and a half times as long. Does nothing where the C library is not glibc.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return
    # Older glibc refuses a threshold above 32 MiB.
    if library.mallopt(_M_MMAP_THRESHOLD, 1 << 30) or library.mallopt(_M_MMAP_THRESHOLD, 32 << 20):
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        library.mallopt(_M_TOP_PAD, 64 << 20)
