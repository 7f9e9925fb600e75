"""A price as an event: of the instant from which on it holds, of value 1, with all that it is a price of as properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import pyarrow as pa

from meterbook.wire.sections import EVENTS
from meterbook.wire.series import canonical_json

_SHOWN_CHARS_MAX = 80


@dataclass(frozen=True)
class Price:
    """What something costs from ``time_us`` on. ``id`` tells it from every other price, now and later."""

    id: str
    type: str
    subject: str
    time_us: int
    properties: Mapping[str, str]


def checked(price: str) -> str:
    """A price as it was told. Raises ValueError for what is no number: nobody could reckon with it."""
    try:
        is_number = Decimal(price).is_finite()
    except InvalidOperation:
        is_number = False
    if not is_number:
        raise ValueError(f"price {price[:_SHOWN_CHARS_MAX]!r} is not a number")
    return price


def events(source: str, found: Sequence[Price]) -> pa.Table:
    """Prices as events (schema ``EVENTS``), each of value 1, in their order."""
    count = len(found)
    times = pa.array([price.time_us for price in found], pa.int64()).cast(EVENTS.field("time").type)
    columns = [
        [source] * count,
        [source] * count,
        [price.id for price in found],
        [price.type for price in found],
        [price.subject for price in found],
        [""] * count,
        times,
        pa.array([Decimal(1)] * count, EVENTS.field("value").type),
        [canonical_json(price.properties) for price in found],
    ]
    return pa.table(columns, schema=EVENTS)
