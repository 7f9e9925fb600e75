"""Keeps freed memory for the next batch, instead of giving it back to the kernel and asking for it again.

A batch is decoded into blocks of some hundred kilobytes. Allocators return blocks of that size when they are freed, at
once or soon, and each of their pages is cleared by the kernel when it is touched next: with thousands of batches a
second that costs more than checking them. The C library's can be told to keep them, so Arrow is told to use that.

It keeps them for each of its heaps, though, and has one for each thread: each becomes as large as the most that it ever held
at one moment, and a process that runs for days would grow to the sum of all these moments. So threads share two heaps, and
what lies free is given back now and then, which costs some milliseconds.
"""

from __future__ import annotations

import ctypes
import threading
import time

import pyarrow as pa

# From glibc's malloc.h. Other C libraries have no mallopt, or ignore these.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# Beyond a few megabytes blocks are few, and aligned ones leave holes in the heap that are never filled: a gigabyte of them.
# What lies free at the end of a heap is given back only when it is more than is kept, so there must be few heaps.
_BLOCK_BYTES_MAX, _KEPT_BYTES_MAX, _HEAPS_MAX = 2 << 20, 32 << 20, 4
_KEPT_S = 30.0

_LIBC = ctypes.CDLL(None)


def keep_freed_memory() -> None:
    """Have the allocator keep 32 MiB of a heap at hand, and what lies free inside it for half a minute; once, at a process's start."""
    mallopt, trim = getattr(_LIBC, "mallopt", None), getattr(_LIBC, "malloc_trim", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _HEAPS_MAX)
        mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES_MAX)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES_MAX)
        pa.set_memory_pool(pa.system_memory_pool())
    if trim is not None:
        threading.Thread(target=_give_back, args=(trim,), name="memory", daemon=True).start()


def _give_back(trim: ctypes._NamedFuncPointer) -> None:
    while True:
        time.sleep(_KEPT_S)
        trim(0)
