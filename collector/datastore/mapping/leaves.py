"""Arrow columns as what a field of one record can hold: texts, decimals, truth values, moments, objects and lists.

A float is the decimal of its shortest text that reads back as the same float, which is what was meant when it was written: 0.1 and not
0.1000000000000000055. One that is not finite is a text, and so no number.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from collector.datastore.mapping.texts import Moment
from meterbook.wire.instants import DAY_US, SECOND_US

#: Units of Arrow's timestamps in one second.
_IN_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class UnreadableColumn(ValueError):
    """A column of a type that no field can be made from."""


def check_readable(name: str, type: pa.DataType) -> None:
    """Raises UnreadableColumn, which names the column and its type."""
    match type:
        case pa.DictionaryType() | pa.ListType() | pa.LargeListType() | pa.FixedSizeListType():
            check_readable(name, type.value_type)
        case pa.StructType():
            for each in type:
                check_readable(f"{name}.{each.name}", each.type)
        case pa.MapType():
            check_readable(name, type.item_type)
            if not is_textual(type.key_type):
                raise UnreadableColumn(f"column {name} is a map whose keys are {type.key_type}")
        case pa.BaseExtensionType():
            check_readable(name, type.storage_type)
        case _ if not (_is_simple(type) or pa.types.is_null(type)):
            raise UnreadableColumn(f"column {name} is of the type {type}, which no field can be made from")


def is_textual(type: pa.DataType) -> bool:
    """Whether it holds texts, or bytes that are taken for such."""
    kinds = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
    )
    return any(is_kind(type) for is_kind in kinds)


def _is_simple(type: pa.DataType) -> bool:
    kinds: tuple[Callable[[pa.DataType], bool], ...] = (
        is_textual,
        pa.types.is_fixed_size_binary,
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_timestamp,
        pa.types.is_date,
    )
    return any(is_kind(type) for is_kind in kinds)


def plain_type(column: pa.Array) -> pa.Array:
    """The column without dictionaries and extensions around it."""
    if isinstance(column.type, pa.BaseExtensionType):
        return plain_type(column.storage)
    return plain_type(column.dictionary_decode()) if pa.types.is_dictionary(column.type) else column


def leaves_of(column: pa.Array) -> list[Any]:
    """What each row of a column holds; of a type that :func:`check_readable` has nothing against."""
    column = plain_type(column)
    match column.type:
        case pa.StructType():
            members = {each.name: leaves_of(member) for each, member in zip(column.type, column.flatten(), strict=True)}
            return [
                {name: held[row] for name, held in members.items()} if is_valid else None
                for row, is_valid in enumerate(column.is_valid().to_pylist())
            ]
        case pa.MapType():
            return [None if not each.is_valid else _mapping(each.values) for each in column]
        case pa.ListType() | pa.LargeListType() | pa.FixedSizeListType():
            return [None if not each.is_valid else leaves_of(each.values) for each in column]
    if pa.types.is_timestamp(column.type):
        return _moments(column, column.type.tz is not None)
    if pa.types.is_date(column.type):
        days = column.cast(pa.date32()).cast(pa.int32()).to_pylist()
        return [None if day is None else Moment(day * DAY_US, is_zoned=False, is_day=True) for day in days]
    return [None if each is None else leaf_of(each) for each in _plain_values(column)]


def leaf_of(value: Any) -> Any:
    """One value of a simple column, with floats as the texts that are theirs."""
    match value:
        case bool() | str() | Decimal():
            return value
        case bytes():
            # What is no UTF-8 is told from what is where the event is made.
            return value.decode("utf-8", "surrogateescape")
        case float():
            return Decimal(repr(value)) if np.isfinite(value) else repr(value)
        case _:
            return Decimal(value)


def float_texts(column: pa.Array) -> list[str | None]:
    """The shortest text of each float that reads back as the same, in its own precision."""
    if column.type == pa.float64():
        return [None if each is None else repr(each) for each in column.to_pylist()]
    kind = np.float32 if column.type == pa.float32() else np.float16
    return [None if each is None else str(kind(each)) for each in column.to_pylist()]


def _plain_values(column: pa.Array) -> list[Any]:
    if pa.types.is_fixed_size_binary(column.type):
        return [None if each is None else each.hex() for each in column.to_pylist()]
    if pa.types.is_floating(column.type) and column.type != pa.float64():
        texts = float_texts(column)
        return [None if each is None else Decimal(each) if each.strip("-")[0].isdigit() else each for each in texts]
    return list(column.to_pylist())


def _mapping(entries: pa.Array) -> dict[str, Any]:
    keys, held = leaves_of(entries.field(0)), leaves_of(entries.field(1))
    return dict(zip(keys, held, strict=True))


def _moments(column: pa.Array, is_zoned: bool) -> list[Moment | None]:
    per_second = _IN_SECOND[column.type.unit]
    return [
        None if each is None else Moment(each * SECOND_US // per_second, is_zoned)
        for each in column.cast(pa.int64()).to_pylist()
    ]
