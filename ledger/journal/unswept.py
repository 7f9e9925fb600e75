"""Puts off the search for cycles while very many objects are made that stay.

Whenever there are a quarter more objects than before, Python looks through all of them for cycles that nobody refers to. Whoever reads the definitions or the usage of
thousands of tenants makes millions, among which there are none: that is a fifth of the time it takes, and holds up everybody else. So it is put off until they are there.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds that it may be put off while others begin all the time before the last has ended.
_MOST_S = 10.0

_changing = threading.Lock()
#: Who is at it, in any thread; the first found the search on or off, and the last leaves it so.
_at_it: list[bool] = []
_since_s = 0.0


@contextmanager
def unswept() -> Iterator[None]:
    """For seconds, not for as long as a process runs: where it is put off by one after the other, it has its turn in between."""
    global _since_s
    with _changing:
        if gc.isenabled():
            _since_s = time.monotonic()
        _at_it.append(_at_it[0] if _at_it else gc.isenabled())
        gc.disable()
    try:
        yield
    finally:
        with _changing:
            was_on = _at_it.pop()
            if was_on and (not _at_it or time.monotonic() - _since_s > _MOST_S):
                gc.enable()
