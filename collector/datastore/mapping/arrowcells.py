"""Arrow columns as fields of many records (``cells``). Where Arrow itself says what the slow way would, it is asked; else each value is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.cloudevents import BadEvent, exact
from collector.datastore.mapping.cells import Cells, Certain, TextCells
from collector.datastore.mapping.leaves import float_texts, is_textual, leaves_of, plain_type
from collector.datastore.mapping.texts import Moment, property_of
from collector.datastore.mapping.timecolumns import LAST_US, localised, years_known
from collector.datastore.mapping.times import Clock
from collector.datastore.mapping.zones import zone_of
from meterbook.wire.instants import SECOND_US
from meterbook.wire.sections import QUANTITY

#: Microseconds of the units of Arrow's timestamps.
_UNIT_US = {"s": SECOND_US, "ms": 1_000, "us": 1}
_NS_IN_US = 1_000


def leaf_cells(column: pa.Array) -> LeafCells:
    """A column of any type that can be read, value by value."""
    return LeafCells(lambda: leaves_of(column), is_nested=pa.types.is_nested(column.type))


def cells_of(column: pa.Array) -> Cells:
    """A column of any type that can be read as a field."""
    column = plain_type(column)
    if is_textual(column.type):
        try:
            return TextCells(column.cast(pa.utf8()))
        except pa.ArrowInvalid:
            # Bytes that are no UTF-8, or more of them than one column of texts can have.
            return leaf_cells(column)
    if pa.types.is_integer(column.type):
        return NumberCells(column, TextCells(column.cast(pa.utf8()), is_number=True))
    if pa.types.is_floating(column.type):
        return FloatCells(column)
    if pa.types.is_decimal(column.type):
        return NumberCells(column, leaf_cells(column))
    if pa.types.is_timestamp(column.type):
        return MomentCells(column)
    return leaf_cells(column)


class LeafCells:
    """Any field, value by value, as the slow way has them. ``read`` is asked once, and only where somebody needs them."""

    def __init__(self, read: Callable[[], Sequence[Any]], *, is_nested: bool) -> None:
        self._read, self._is_nested = read, is_nested

    @property
    def is_nested(self) -> bool:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return self._is_nested

    @cached_property
    def leaves(self) -> Sequence[Any]:
        """What each row holds."""
        return self._read()

    def texts(self) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        texts = [property_of(leaf) for leaf in self.leaves]
        try:
            return pa.array(texts, pa.utf8()), np.ones(len(texts), bool)
        except (UnicodeEncodeError, pa.ArrowException):
            return pa.nulls(len(texts), pa.utf8()), np.zeros(len(texts), bool)

    def quantities(self) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return self._each(lambda leaf: None if isinstance(leaf, Moment) else exact(leaf, ""), QUANTITY)

    def instants(self, clock: Clock) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return self._each(clock.instant_us, pa.int64())

    def _each(self, read: Callable[[Any], Any], type: pa.DataType) -> Certain:
        found: list[Any] = []
        for leaf in self.leaves:
            try:
                found.append(None if leaf is None else read(leaf))
            except BadEvent:
                found.append(None)
        column = pa.array(found, type)
        return column, np.asarray(column.is_valid())


@dataclass(frozen=True, eq=False)
class NumberCells:
    """Integers and decimals, which are exact as they stand."""

    column: pa.Array
    written: Cells
    is_nested: bool = False

    def texts(self) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return self.written.texts()

    def quantities(self) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        try:
            return self.column.cast(QUANTITY), np.ones(len(self.column), bool)
        except pa.ArrowInvalid:
            return self.written.quantities()

    def instants(self, clock: Clock) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return self.written.instants(clock)


@dataclass(frozen=True, eq=False)
class FloatCells:
    """Floats, by their shortest texts."""

    column: pa.Array
    is_nested: bool = False

    def texts(self) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return leaf_cells(self.column).texts()

    def quantities(self) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return self._written.quantities()

    def instants(self, clock: Clock) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return self._written.instants(clock)

    @property
    def _written(self) -> TextCells:
        return TextCells(pa.array(float_texts(self.column), pa.utf8()), is_number=True)


@dataclass(frozen=True, eq=False)
class MomentCells:
    """Timestamps, with a zone or of local clocks."""

    column: pa.Array
    is_nested: bool = False

    def texts(self) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return leaf_cells(self.column).texts()

    def quantities(self) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        return pa.nulls(len(self.column), QUANTITY), np.zeros(len(self.column), bool)

    def instants(self, clock: Clock) -> Certain:
        """See :class:`collector.datastore.mapping.cells.Cells`."""
        counts = pc.fill_null(self.column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        sure = np.asarray(self.column.is_valid())
        if self.column.type.unit == "ns":
            found_us = counts // _NS_IN_US
        else:
            unit_us = _UNIT_US[self.column.type.unit]
            sure &= np.abs(counts) <= LAST_US // unit_us
            found_us = np.where(sure, counts, 0) * unit_us
        sure &= years_known(found_us)
        if self.column.type.tz is None:
            if clock.time.zone is None:
                sure[:] = False
            else:
                found_us, steady = localised(np.where(sure, found_us, 0), zone_of(clock.time.zone))
                sure &= steady
        return pa.array(found_us), sure
