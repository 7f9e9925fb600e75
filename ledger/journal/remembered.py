"""What was worked out of the book once, for those who ask again.

The book only grows, so what was found at a position is right for ever, and what is to be found at a later one is that and what came
since. Questions of one view share what it found; views of one journal share this.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import pyarrow as pa

Found = TypeVar("Found")

#: Findings that are kept, and answers of the tables, with their bytes; what was not asked for longest goes first.
_FINDINGS_MAX, _ANSWERS_MAX, _ANSWER_BYTES_MAX = 256, 1_024, 64 << 10


class Remembered:
    """Findings by name and by what they depend on. They are shared: nobody may change one. Safe for threads."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, Hashable], Any] = OrderedDict()
        self._answers: OrderedDict[Hashable, pa.Table] = OrderedDict()
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

    def answer(self, question: Hashable, ask: Callable[[], pa.Table]) -> pa.Table:
        """The answer of the tables to a question that names its position; it is kept where it is small."""
        with self._changing:
            if question in self._answers:
                self._answers.move_to_end(question)
                return self._answers[question]
        found = ask()
        if found.nbytes <= _ANSWER_BYTES_MAX:
            with self._changing:
                self._answers[question] = found
                while len(self._answers) > _ANSWERS_MAX:
                    self._answers.popitem(last=False)
        return found

    def upto(self, name: str, position: int) -> tuple[int, Any] | None:
        """What was found last before a position or at it, of what depends on the position alone: that position, and what it was."""
        with self._changing:
            known = [key[1] for key in self._found if key[0] == name and isinstance(key[1], int) and key[1] <= position]
            return (max(known), self._found[name, max(known)]) if known else None
