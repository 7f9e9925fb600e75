"""Gives freed memory back, so that an agent is as large as what it holds and not as the largest page it has ever seen.

An allocator keeps what is freed, in case it is wanted again, and does so for each thread. An agent with thirty threads reads a page
every few seconds in one of them: kept memory would be most of what it takes. So the C library is told to share its heap among
threads and to return large blocks at once; Arrow uses it (``agent/__init__.py``).

Where stores are read by the gigabyte it is another matter: blocks of some megabytes are wanted again at once, and each that was returned
costs a fault for every page of it, twice the time that reading takes. Such an agent keeps what a collection takes.
"""

from __future__ import annotations

import ctypes

# From glibc's malloc.h. Other C libraries have no mallopt, or ignore these.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_ARENAS_MAX = 2
#: The largest block that stays in the heap, and how much of the heap may lie free at its end; both also for what is read in bulk.
_BLOCK_BYTES_MAX, _KEPT_BYTES_MAX = 128 << 10, 8 << 20
_BULK_BLOCK_BYTES_MAX, _BULK_KEPT_BYTES_MAX = 32 << 20, 64 << 20

_LIBC = ctypes.CDLL(None)


def give_back_freed_memory(*, in_bulk: bool = False) -> None:
    """For a process, once, at its start; ``in_bulk`` for one that reads stores."""
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS_MAX)
        mallopt(_M_MMAP_THRESHOLD, _BULK_BLOCK_BYTES_MAX if in_bulk else _BLOCK_BYTES_MAX)
        mallopt(_M_TRIM_THRESHOLD, _BULK_KEPT_BYTES_MAX if in_bulk else _KEPT_BYTES_MAX)


def trim() -> None:
    """Give back what lies free between things in use: worth its milliseconds after much was made and let go of."""
    malloc_trim = getattr(_LIBC, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
