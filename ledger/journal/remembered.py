"""What was worked out of the book once, for those who ask again.

The book only grows, so what was found at a position is right for ever, and what is to be found at a later one is that and what came
since. Questions of one view share what it found; views of one journal share this.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import pyarrow as pa

Found = TypeVar("Found")

#: Findings of a name that are kept, and answers of the tables, with their bytes; what was not asked for longest goes first.
_FINDINGS_MAX, _ANSWERS_MAX, _ANSWER_BYTES_MAX = 64, 1_024, 64 << 10


class Remembered:
    """Findings by name and by what they depend on. They are shared: nobody may change one. Safe for threads."""

    def __init__(self) -> None:
        self._found: dict[str, OrderedDict[Hashable, Any]] = defaultdict(OrderedDict)
        self._kept: dict[str, OrderedDict[Hashable, tuple[Any, int]]] = defaultdict(OrderedDict)
        self._answers: OrderedDict[Hashable, pa.Table] = OrderedDict()
        self._changing = threading.Lock()

    def of(self, name: str, depends_on: Hashable, find: Callable[[], Found], *, most: int = _FINDINGS_MAX) -> Found:
        """What was found for the same, or what is found now. Of a name so many are kept at most: few of what may be large."""
        with self._changing:
            if depends_on in self._found[name]:
                self._found[name].move_to_end(depends_on)
                known: Found = self._found[name][depends_on]
                return known
        found = find()
        with self._changing:
            self._found[name][depends_on] = found
            while len(self._found[name]) > most:
                self._found[name].popitem(last=False)
        return found

    def kept(self, name: str, depends_on: Hashable) -> Any | None:
        """What was kept last for the same, None where that is nothing."""
        with self._changing:
            if depends_on not in self._kept[name]:
                return None
            self._kept[name].move_to_end(depends_on)
            return self._kept[name][depends_on][0]

    def keep(self, name: str, depends_on: Hashable, found: object, *, size: int, most: int) -> None:
        """Keep something in the place of what was kept for the same: of a name as much as ``most`` sizes, what was not asked for longest goes first."""
        with self._changing:
            kept = self._kept[name]
            kept.pop(depends_on, None)
            kept[depends_on] = found, size
            while len(kept) > _FINDINGS_MAX or sum(each for _, each in kept.values()) > most:
                kept.popitem(last=False)

    def answer(self, question: Hashable, ask: Callable[[], pa.Table]) -> pa.Table:
        """The answer of the tables to a question that names its position; it is kept where it is small."""
        with self._changing:
            if question in self._answers:
                self._answers.move_to_end(question)
                return self._answers[question]
        found = ask()
        if found.nbytes <= _ANSWER_BYTES_MAX:
            # A copy has its own size: what the tables give has room for thousands of rows.
            found = found.take(pa.array(range(found.num_rows), pa.int64()))
            with self._changing:
                self._answers[question] = found
                while len(self._answers) > _ANSWERS_MAX:
                    self._answers.popitem(last=False)
        return found

    def upto(self, name: str, position: int) -> tuple[int, Any] | None:
        """What was found last before a position or at it, of what depends on the position alone: that position, and what it was."""
        with self._changing:
            known = [each for each in self._found[name] if isinstance(each, int) and each <= position]
            return (max(known), self._found[name][max(known)]) if known else None
