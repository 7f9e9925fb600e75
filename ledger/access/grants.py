"""Grants: the tenants and sources that an agent may name, as patterns, and a check of whole columns against them.

A pattern is a name, or a beginning with ``*`` behind it; ``*`` alone is everything. A column is reduced to its distinct values
before anything is compared, and those are compared by Arrow all at once: a batch has a million rows and a handful of tenants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

EVERYTHING = "*"


@dataclass(frozen=True)
class Patterns:
    """What may be named."""

    patterns: tuple[str, ...]

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Patterns:
        """The patterns, each once and sorted, so that equal grants are equal values."""
        return cls(tuple(sorted(set(patterns))))

    @property
    def allows_everything(self) -> bool:
        """Whether there is nothing that is not granted."""
        return EVERYTHING in self.patterns

    def allow(self, name: str) -> bool:
        """Whether one name is granted."""
        return name in self._names or name.startswith(self._beginnings)

    def mask(self, column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
        """Which values of a column of text are granted."""
        if self.allows_everything:
            return pc.is_valid(column)
        granted = pc.is_in(column, value_set=pa.array(sorted(self._names), pa.utf8()))
        for beginning in self._beginnings:
            granted = pc.or_(granted, pc.starts_with(column, beginning))
        return granted

    def first_refused(self, column: pa.ChunkedArray) -> str | None:
        """A value of a column of text that is not granted; None where all are."""
        if self.allows_everything or len(column) == 0:
            return None
        distinct = pc.unique(column)
        refused = distinct.filter(pc.invert(self.mask(distinct)))
        return str(refused[0]) if len(refused) else None

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(each for each in self.patterns if not each.endswith("*"))

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple(each[:-1] for each in self.patterns if each.endswith("*"))


NOTHING = Patterns(())
ALL = Patterns((EVERYTHING,))
