"""Numbers for what is told again and again: whose something is, by which rules, and why. Columns hold the numbers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np

Thing = TypeVar("Thing", bound=Hashable)


class Register(Generic[Thing]):
    """Things in the order in which they were first heard of, each with its number."""

    def __init__(self, *things: Thing) -> None:
        self._numbers: dict[Thing, int] = {}
        self.numbers(things)

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, thing: Thing) -> int:
        """The number of a thing; a new one for one that is new."""
        return self._numbers.setdefault(thing, len(self._numbers))

    def numbers(self, things: Iterable[Thing]) -> np.ndarray:
        """The numbers of things, as int64."""
        return np.array([self.number(each) for each in things], np.int64)

    @property
    def things(self) -> list[Thing]:
        """All things, by number."""
        return list(self._numbers)


def ranks(names: Sequence[str]) -> np.ndarray:
    """The place of each of some names, which differ, among all of them in order."""
    found = np.empty(len(names), np.int64)
    found[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return found
