"""What was worked out of the book once, for those who ask again.

The book only grows, so what was found at a position is right for ever, and what is to be found at a later one is that and what came
since. Questions of one view share what it found; views of one journal share this.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Found = TypeVar("Found")

#: Findings that are kept; what was not asked for longest goes first.
_FINDINGS_MAX = 64


class Remembered:
    """Findings by name and by what they depend on. They are shared: nobody may change one. Safe for threads."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, Hashable], Any] = OrderedDict()
        self._changing = threading.Lock()

    def of(self, name: str, depends_on: Hashable, find: Callable[[], Found]) -> Found:
        """What was found for the same, or what is found now."""
        key = (name, depends_on)
        with self._changing:
            if key in self._found:
                self._found.move_to_end(key)
                known: Found = self._found[key]
                return known
        found = find()
        with self._changing:
            self._found[key] = found
            while len(self._found) > _FINDINGS_MAX:
                self._found.popitem(last=False)
        return found

    def upto(self, name: str, position: int) -> tuple[int, Any] | None:
        """What was found last before a position or at it, of what depends on the position alone: that position, and what it was."""
        with self._changing:
            known = [key[1] for key in self._found if key[0] == name and isinstance(key[1], int) and key[1] <= position]
            return (max(known), self._found[name, max(known)]) if known else None
