"""Which price an item has at a time: those that its book states, and those that events have told, one after another.

An event's price holds from its time until the next one's. Of several with one time the one counts that the book heard of last: a provider that corrects a
price tells it again. Events of several subjects, or of one record, that tell different prices are in doubt, since nobody can say which is
meant; so is what is no price. What is in doubt has no price: it is told, and never guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from ledger.costing.columns import member, pointer
from ledger.directory.matching import holds
from ledger.directory.pricebook import DatedPrice, EventPrice, Item
from ledger.journal.view import View
from ledger.schema.decimals import parse_plain
from meterbook.wire import instants

NO_PRICE = -1
_FOREVER_US = 1 << 62

#: Texts of properties by which prices of one event are told apart: those of ``EventPrice.where``, in its order. Usage may lack one; no event does.
Key = tuple[str | None, ...]


@dataclass(frozen=True)
class Steps:
    """Prices that hold in [from_us, until_us), rising and without overlaps; ``doubt`` says why there are none where some were told."""

    from_us: np.ndarray
    until_us: np.ndarray
    prices: tuple[Decimal, ...]
    doubt: str = ""

    def at(self, times_us: np.ndarray) -> np.ndarray:
        """The place of the price that holds at each time, NO_PRICE where none does."""
        if not self.prices:
            return np.full(len(times_us), NO_PRICE)
        place = np.searchsorted(self.from_us, times_us, "right") - 1
        found: np.ndarray = np.where((place >= 0) & (times_us < self.until_us[place]), place, NO_PRICE)
        return found


@dataclass(frozen=True)
class Told:
    """What events tell: by key the prices with the time from which on each holds, and what is in doubt."""

    prices: Mapping[Key, Sequence[tuple[int, Decimal]]]
    doubts: Mapping[Key, str]


@dataclass(frozen=True)
class _Tale:
    time_us: int
    position: int
    subject: str
    price: Decimal


def told_prices(view: View, event: EventPrice, currency: str, until_us: int) -> Told:
    """The prices that events of a view tell, of those before ``until_us``."""
    tales: defaultdict[Key, list[_Tale]] = defaultdict(list)
    doubts: dict[Key, str] = {}
    for row, properties in _events(view, event, until_us):
        if not holds(event.match, (), properties) or (event.currency and properties.get(event.currency) != currency):
            continue
        if not properties.keys() >= event.where.keys():
            # What an event does not say is not the same as what usage does not say.
            continue
        key: Key = tuple(properties[name] for name in event.where)
        try:
            price = parse_plain(properties.get(event.price, ""))
        except ValueError as error:
            doubts.setdefault(key, f"the {event.price} of the event {row['id']!r} of {row['source']!r}: {error}")
            continue
        tales[key].append(_Tale(row["time_us"], row["position"], row["subject"], price))
    for key, each in tales.items():
        if key not in doubts and (doubt := _doubt(event, each)):
            doubts[key] = doubt
    return Told({key: _newest(each) for key, each in tales.items()}, doubts)


def key_of(event: EventPrice, names: Mapping[str, str]) -> Key:
    """The key under which events tell the price for usage with these dimensions."""
    return tuple(names.get(dimension) for dimension in event.where.values())


def steps_of(item: Item, told: Sequence[Told | None], names: Mapping[str, str]) -> Steps:
    """The prices of an item for usage with these dimensions; ``told`` has of each of its prices what events tell, None where they do not."""
    steps: list[tuple[int, int, Decimal]] = []
    doubt = ""
    for dated, found in sorted(zip(item.prices, told, strict=True), key=lambda each: each[0].from_us):
        if dated.price is not None:
            steps.append((dated.from_us, dated.until_us, dated.price))
        elif dated.event is not None and found is not None:
            key = key_of(dated.event, names)
            if key in found.doubts:
                doubt = doubt or found.doubts[key]
            else:
                steps += _within(dated, found.prices.get(key, ()))
    return Steps(
        np.array([from_us for from_us, _, _ in steps], np.int64),
        np.array([until_us for _, until_us, _ in steps], np.int64),
        tuple(price for _, _, price in steps),
        doubt,
    )


def _within(dated: DatedPrice, prices: Sequence[tuple[int, Decimal]]) -> Iterator[tuple[int, int, Decimal]]:
    for (from_us, price), (until_us, _) in pairwise([*prices, (_FOREVER_US, Decimal(0))]):
        low_us, high_us = max(from_us, dated.from_us), min(until_us, dated.until_us)
        if low_us < high_us:
            yield low_us, high_us, price


def _doubt(event: EventPrice, tales: Sequence[_Tale]) -> str:
    subjects = sorted({each.subject for each in tales})
    if len(subjects) > 1:
        return f"events of {event.type!r} that match are of several subjects, {subjects[0]!r} and {subjects[1]!r}: narrow 'match'"
    for (time_us, _), group in groupby(tales, lambda each: (each.time_us, each.position)):
        prices = sorted({each.price for each in group})
        if len(prices) > 1:
            return f"events of {event.type!r} tell the prices {prices[0]} and {prices[1]} from {instants.text(time_us)} on: narrow 'match'"
    return ""


def _newest(tales: Sequence[_Tale]) -> list[tuple[int, Decimal]]:
    return list({each.time_us: each.price for each in tales}.items())


def _events(view: View, event: EventPrice, until_us: int) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Events by time and then by position, with those of their properties that are looked at."""
    currency = [] if event.currency is None else [event.currency]
    names = list(dict.fromkeys([event.price, *currency, *event.where, *event.match]))
    amended = view.amended()
    read = ", ".join(f"{member('properties', 4 + place)} AS name_{place}" for place in range(len(names)))
    rows = view.tables.query(
        "WITH first AS (SELECT source, id, subject, time, properties, position FROM events WHERE position <= $1 AND type = $2"  # noqa: S608
        "  QUALIFY row_number() OVER (PARTITION BY source, id ORDER BY position, time, subject, properties) = 1),"
        " counted AS (SELECT first.source, first.id, subject, coalesce(amended.time, first.time) AS time,"
        "  coalesce(amended.properties, first.properties) AS properties, coalesce(amended.position, first.position) AS position"
        "  FROM first LEFT JOIN amended ON first.source = amended.source AND first.id = amended.id"
        "  WHERE coalesce(amended.is_void, 0) = 0)"
        f" SELECT source, id, subject, epoch_us(time) AS time_us, position, {read} FROM counted"
        " WHERE time < make_timestamp($3) ORDER BY time, position, subject, id",
        [view.position, event.type, until_us, *map(pointer, names)],
        {"amended": amended},
    )
    for row in rows.to_pylist():
        told = ((name, row[f"name_{place}"]) for place, name in enumerate(names))
        yield row, {name: text for name, text in told if text is not None}
