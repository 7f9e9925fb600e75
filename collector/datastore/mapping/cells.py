"""A field of many records at once, as whatever an event may need of it: texts, exact quantities, instants.

Each is a column as long as there are records, and says of which of them it is certain. Of those it holds what the slow way would say; where
it holds nothing, certain or not, the field is not there. What is not certain may be anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.mapping.timecolumns import instants_of
from collector.datastore.mapping.times import Clock
from meterbook.wire.sections import QUANTITY

Rows = npt.NDArray[np.bool_]
#: A column, and of which of its rows it is certain.
Certain = tuple[pa.Array, Rows]

#: What DECIMAL(38,9) holds, written without an exponent.
_QUANTITY = r"^-?(0|[1-9][0-9]{0,28})(\.[0-9]{1,9})?$"
#: So many characters of a plain number are never too many digits.
_QUANTITY_DIGITS = 29
#: Numbers that are written as they were read: with more digits behind the point they could get an exponent.
PLAIN_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]{1,6})?$"


class Cells(Protocol):
    """A field of many records."""

    @property
    def is_nested(self) -> bool:
        """Whether it holds objects or lists, which are properties but no attributes."""
        ...

    def texts(self) -> Certain:
        """Its texts, as :func:`collector.datastore.mapping.texts.property_of` gives them (utf8)."""
        ...

    def quantities(self) -> Certain:
        """Its values, exact (DECIMAL(38,9))."""
        ...

    def instants(self, clock: Clock) -> Certain:
        """Its times in microseconds (int64)."""
        ...


@dataclass(frozen=True, eq=False)
class TextCells:
    """Texts (utf8) as they are, or numbers as they were written; ``plain`` are those that are written plainly, if that is known."""

    column: pa.Array
    is_number: bool = False
    plain: Rows | None = None
    is_nested: bool = False

    def texts(self) -> Certain:
        """See :class:`Cells`."""
        if not self.is_number:
            return self.column, np.ones(len(self.column), bool)
        plain = matches(self.column, PLAIN_NUMBER) if self.plain is None else self.plain
        return self.column, plain | empty(self.column)

    def quantities(self) -> Certain:
        """See :class:`Cells`."""
        sure = np.zeros(len(self.column), bool)
        if self.plain is not None:
            short = pc.less_equal(pc.binary_length(self.column), _QUANTITY_DIGITS)
            sure = self.plain & as_rows(pc.fill_null(short, False))
        if not sure.all():
            sure |= matches(self.column, _QUANTITY)
        return filled(self.column, sure, "0").cast(QUANTITY), sure

    def instants(self, clock: Clock) -> Certain:
        """See :class:`Cells`."""
        return instants_of(self.column, clock.time)


def matches(column: pa.Array, pattern: str) -> Rows:
    """Which texts match an expression; nothing matches none."""
    return as_rows(pc.fill_null(pc.match_substring_regex(column, pattern), False))


def empty(column: pa.Array) -> Rows:
    """Where a column holds nothing."""
    return as_rows(pc.is_null(column))


def as_rows(column: pa.Array) -> Rows:
    """A column of truth values without nulls."""
    rows: Rows = np.asarray(column.to_numpy(zero_copy_only=False), bool)
    return rows


def filled(column: pa.Array, sure: Rows, other: str) -> pa.Array:
    """A column of texts with something harmless where it is not certain."""
    return column if sure.all() else pc.if_else(pa.array(sure), column, other)
