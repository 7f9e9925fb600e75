"""Columns as money and as instants, exact, or the first row of which nothing can be made.

Numbers are taken as they are written: texts, integers and decimals by their digits, floats by their shortest text that reads back as the
same float. More than 18 digits behind the point, which is what the wire has, are rounded half to even. Arrow reads plain numbers; whatever is
written in another way is read one by one, since Arrow takes some numbers that are too large for others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.bills.refused import Refused
from collector.datastore.cloudevents import shown
from collector.datastore.mapping.cells import as_rows, empty, matches
from collector.datastore.mapping.config import TimeField
from collector.datastore.mapping.leaves import is_textual, plain_type
from collector.datastore.mapping.timecolumns import instants_of
from meterbook.wire import instants
from meterbook.wire.sections import AMOUNT, COST_LIMIT

#: What Arrow reads right: 14 digits before the point, as many as COST_LIMIT has zeros, and as many behind it as AMOUNT has.
_PLAIN = r"^-?[0-9]{1,14}(\.[0-9]{1,18})?$"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DIGITS_MAX = 200
_EXACT = Context(prec=_DIGITS_MAX + 40, rounding=ROUND_HALF_EVEN)
_UNIT = Decimal(1).scaleb(-AMOUNT.scale)
#: FOCUS 1.2, section "Date/Time Format": UTC, also where that is left out.
_UTC = TimeField(form="rfc3339", zone="UTC", field="time")
_INSTANT = pa.timestamp("us", tz="UTC")
#: Other ways to write UTC (BigQuery, "Timestamp type", canonical format; ISO 8601, basic format and hours alone).
_OTHER_UTC = r"([0-9]:[0-9]{2}(?:\.[0-9]+)?)(?: ?UTC|[+-]00(?:00)?)$"


def amounts(name: str, column: pa.Array) -> pa.Array:
    """A column as amounts (AMOUNT), null where it is. Raises Refused for the first that is no number, or is beyond COST_LIMIT."""
    column = plain_type(column)
    if column.type == AMOUNT and _are_countable(column):
        return column
    if not _is_number(column.type):
        raise Refused(f"column {name} is of the type {column.type}, which is no number")
    texts = column if column.type == pa.utf8() else column.cast(pa.utf8())
    plain = matches(texts, _PLAIN)
    odd = ~plain & ~empty(texts)
    if not odd.any():
        return texts.cast(AMOUNT)
    known = _each(name, texts, odd, _amount, AMOUNT)
    return pc.if_else(pa.array(odd), known, pc.if_else(pa.array(odd), None, texts).cast(AMOUNT))


def moments(name: str, column: pa.Array) -> pa.Array:
    """A column of times as instants (timestamp[us, UTC]), null where it is; times without a zone are in UTC. Raises Refused."""
    column = plain_type(column)
    kind = column.type
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us")).cast(_INSTANT)
    if pa.types.is_timestamp(kind):
        if kind.unit == "ns":
            column = pc.divide(column.cast(pa.int64()), 1_000).cast(pa.timestamp("us"))
        try:
            return column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64()).cast(_INSTANT)
        except pa.ArrowInvalid:
            raise Refused(f"column {name} has a time that is no microsecond of 64 bits") from None
    if not is_textual(kind):
        raise Refused(f"column {name} is of the type {kind}, which is no time")
    # Of the times of a bill there are few, each many times.
    coded = column.cast(pa.utf8()).dictionary_encode()
    written = pc.replace_substring_regex(coded.dictionary, _OTHER_UTC, r"\1Z")
    found, sure = instants_of(written, _UTC)
    odd = ~sure
    if odd.any():
        try:
            found = pc.if_else(pa.array(odd), _each(name, written, odd, instants.parse, pa.int64()), found)
        except Refused as error:
            row = first_row(np.asarray(coded.indices.fill_null(-1)) == error.row)
            raise Refused(str(error), row, error.document) from None
    return found.take(coded.indices).cast(_INSTANT)


def first_row(rows: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    """The first of some rows; there must be one."""
    return int(np.flatnonzero(rows)[0])


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return (
        is_textual(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def _are_countable(column: pa.Array) -> bool:
    return bool(pc.all(pc.less(pc.abs(column), pa.scalar(COST_LIMIT, AMOUNT))).as_py() in (True, None))


def _amount(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text) or len(text) > _DIGITS_MAX:
        raise ValueError(f"{shown(text)} is not a number")
    found = Decimal(text).quantize(_UNIT, context=_EXACT) if abs(Decimal(text)) < COST_LIMIT else None
    if found is None or abs(found) >= COST_LIMIT:
        raise ValueError(f"{shown(text)} is beyond what can be added up, which ends at {COST_LIMIT}")
    return found


def _each(
    name: str,
    texts: pa.Array,
    odd: np.ndarray[Any, np.dtype[np.bool_]],
    read: Callable[[str], object],
    kind: pa.DataType,
) -> pa.Array:
    """What is made of the odd ones of some texts, one by one; null for all others."""
    known: dict[str, object] = {}
    found: list[object] = [None] * len(texts)
    for row in np.flatnonzero(odd).tolist():
        text = texts[row].as_py()
        if text not in known:
            try:
                known[text] = read(text)
            except ValueError as error:
                raise Refused(f"{name}: {error}", row, text[:1_000]) from None
        found[row] = known[text]
    return pa.array(found, kind)


def rows_of(column: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A column of truth values as rows, those that are null are false."""
    return as_rows(pc.fill_null(column, False))
