"""Puts off the search for cycles while very many objects are made that stay.

Whenever there are a quarter more objects than before, Python looks through all of them for cycles that nobody refers to. Whoever reads the definitions or the usage of
thousands of tenants makes millions, among which there are none: that is a fifth of the time it takes, and holds up everybody else. So it is put off until they are there.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_changing = threading.Lock()
#: Who is at it, in any thread; the first found the search on or off, and the last leaves it so.
_at_it: list[bool] = []


@contextmanager
def unswept() -> Iterator[None]:
    """For seconds, not for as long as a process runs."""
    with _changing:
        _at_it.append(_at_it[0] if _at_it else gc.isenabled())
        gc.disable()
    try:
        yield
    finally:
        with _changing:
            was_on = _at_it.pop()
            if was_on and not _at_it:
                gc.enable()
