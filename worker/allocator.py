"""How the C library gives memory back: large blocks at once, so that a large file takes no more than a small one."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 256 * 1024
_KEPT_BYTES = 8 * 1024 * 1024


def give_back_large_blocks() -> bool:
    """Have blocks of 256 KiB and more mapped on their own; return whether the C library can be told so.

    glibc raises that limit by itself, up to 32 MiB, whenever a larger block is freed (mallopt(3), M_MMAP_THRESHOLD).
    Parts of a job then lie between small blocks, and what is free there cannot be given back. Of the small blocks'
    memory 8 MiB are kept when they are free, where 128 KiB were given back and asked for again with each batch of rows.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
    except (AttributeError, OSError, TypeError):  # another C library
        return False
