"""Estimating: charges that are made of usage and the prices of price books, for a month, until its bill comes or where none will.

A pure function of a view, which holds books, usage and prices as they were at its position, and of a month. Nothing is stored. What comes out are bills like any other,
of the nature estimate, one for each book: their charges have the columns of FOCUS and are allocated by the same rules.

Every hour of usage goes through this: the version of the book that holds when the hour begins, the first item by name whose meter and matchers are met, the price that
the item has then. Usage of a meter that books have prices for, but none for this hour or these dimensions, is *unpriced*: told with meter, dimensions and hours.
Machines are counted in the hours of the month that have begun when the position was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from ledger.costing.amounts import exact_total
from ledger.costing.bills import BILL_LIMIT, Bill
from ledger.costing.lots import Lot, Rows, Units, charges_of, lot
from ledger.costing.metered import Metered, machines, metered
from ledger.costing.pricing import NO_PRICE, Key, Steps, Told, key_of, steps_of, told_prices
from ledger.costing.unpriced import Unpriced, Want
from ledger.directory.catalog import Catalog
from ledger.directory.matching import holds
from ledger.directory.pricebook import EventPrice, Item, PriceBook
from ledger.journal.view import View
from ledger.schema.units import factor
from meterbook.wire.instants import DAY_US, HOUR_US
from meterbook.wire.sections import COST_LIMIT

#: Before the name of a book, where other bills have the name of who brought them.
SOURCE = "price-book/"
_FOREVER_US = 1 << 62


@dataclass(frozen=True)
class Estimate:
    """What a month is estimated to cost: a bill for each book that priced anything, what has no price, and what is wrong, a sentence each."""

    bills: Sequence[Bill]
    unpriced: Sequence[Unpriced]
    problems: Sequence[str]


@dataclass(frozen=True)
class Version:
    """A version of a price book as it holds for the hours that begin in [from_us, until_us)."""

    name: str
    version: int
    book: PriceBook
    from_us: int
    until_us: int


def estimate(view: View, catalog: Catalog, start_us: int, end_us: int, books: Sequence[str]) -> Estimate:
    """Estimate the charges of the month [start, end) by the price books of these names."""
    return _Estimating(view, catalog, start_us, end_us).made(books)


def versions_of(catalog: Catalog, name: str, start_us: int, end_us: int) -> list[Version]:
    """The versions of a book that hold in [start, end), in the order of time."""
    newest = {each.effective_from_us: each for each in catalog.versions("price-book", name)}
    found = []
    for from_us, until_us in pairwise([*sorted(newest), _FOREVER_US]):
        each = newest[from_us]
        assert isinstance(each.spec, PriceBook)
        # What holds from the beginning holds for what was before 1970, too.
        low_us, high_us = max(from_us or start_us, start_us), min(until_us, end_us)
        if low_us < high_us:
            found.append(Version(name, each.version, each.spec, low_us, high_us))
    return found


class _Estimating:
    """An estimate while one book after another is asked."""

    def __init__(self, view: View, catalog: Catalog, start_us: int, end_us: int) -> None:
        self._view, self._catalog = view, catalog
        self._start_us, self._end_us = start_us, end_us
        self._wants: dict[str, Want] = {}
        self._told: dict[tuple[str, str], Told] = {}
        self._problems: dict[str, None] = {}

    def made(self, books: Sequence[str]) -> Estimate:
        found = [self._bill(name) for name in books]
        unpriced = [row for _, want in sorted(self._wants.items()) for row in want.left()]
        return Estimate([bill for bill in found if bill is not None], unpriced, tuple(self._problems))

    def _bill(self, name: str) -> Bill | None:
        versions = versions_of(self._catalog, name, self._start_us, self._end_us)
        lots = []
        for version in versions:
            taken: dict[str, np.ndarray] = {}
            for item, spec in sorted(version.book.items.items()):
                lots += list(self._lots(version, item, spec, taken))
        if not lots:
            return None
        source, position = SOURCE + name, self._view.position
        told = "+".join(str(each.version) for each in versions)
        rows = charges_of(name, source, versions[0].book.currency, (self._start_us, told, position), lots)
        costs, count = rows["BilledCost"].to_pylist(), len(rows)
        is_too_large = exact_total(each.copy_abs() for each in costs) >= BILL_LIMIT
        return Bill(
            source,
            self._start_us,
            told,
            "estimate",
            self._view.time_us,
            count,
            exact_total(costs),
            position,
            "too large" if is_too_large else "stands",
            count,
            rows=rows,
        )

    def _lots(self, version: Version, item: str, spec: Item, taken: dict[str, np.ndarray]) -> Iterator[Lot]:
        """The lots of an item. ``taken`` has of each meter the rows that other items of the book have priced, and gets those of this one."""
        what = f"{item!r} of the price book {version.name!r}"
        want = None if spec.meter is None else self._want(spec.meter)
        used = self._machines(version, spec) if want is None else want.used
        units = _units(spec, used)
        if isinstance(units, str):
            self._problems[f"{what}: {units}"] = None
            return
        held = (used.hour_us >= version.from_us) & (used.hour_us < version.until_us)
        told = [self._tells(version.book, price.event) for price in spec.prices]
        texts, group = _texts(version, item, spec, used)
        for users in _alike(spec, used):
            rows = np.flatnonzero(held & np.isin(used.user, users))
            steps = steps_of(spec, told, used.users[users[0]].names)
            price = steps.at(used.hour_us[rows])
            if want is None:
                self._check_machines(what, spec, steps, used.hour_us[rows[price == NO_PRICE]])
            else:
                want.missed(rows[price == NO_PRICE], steps.doubt or f"{what} has no price then")
            is_priced = price != NO_PRICE
            if want is not None:
                is_priced &= self._is_free(what, want, rows, is_priced, taken)
                want.priced(rows[is_priced])
            rows, price = rows[is_priced], price[is_priced]
            if len(rows):
                start_us, end_us = _periods(version, steps, used.hour_us[rows], price)
                made = lot(
                    item,
                    texts,
                    Rows(start_us, end_us, group[used.user[rows]], price, used.nano[rows]),
                    steps.prices,
                    units,
                )
                yield self._within_limits(what, made)

    def _check_machines(self, what: str, spec: Item, steps: Steps, hour_us: np.ndarray) -> None:
        """Say which hours without a price events should have told one for. Where no price is asked for there are no machines."""
        hours = sum(
            int(np.count_nonzero((hour_us >= price.from_us) & (hour_us < price.until_us)))
            for price in spec.prices
            if price.event is not None
        )
        if hours:
            why = steps.doubt or "no event tells one"
            self._problems[f"{what} has no price in {hours} hours, which are in no estimate: {why}"] = None

    def _is_free(
        self, what: str, want: Want, rows: np.ndarray, is_priced: np.ndarray, taken: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Which rows no other item of the book has priced. One hour of usage has one price by a book."""
        held = taken.setdefault(want.meter, np.zeros(len(want.used), bool))
        twice = rows[is_priced & held[rows]]
        if len(twice):
            user = want.used.users[want.used.user[twice[0]]]
            self._problems[
                f"{what} is also for usage of {want.meter} that an item before it by name has priced, such as that of"
                f" {user.tenant!r} with {user.dimensions}, which counts once: narrow 'match' of one of them"
            ] = None
        free: np.ndarray = ~held[rows]
        held[rows[is_priced]] = True
        return free

    def _within_limits(self, what: str, made: Lot) -> Lot:
        kept = made.within_limits()
        if left := len(made.rows) - len(kept.rows):
            self._problems[
                f"{left} of the charges that {what} makes would be of {COST_LIMIT} or more and are in no estimate: correct the price or the meter"
            ] = None
        return kept

    def _want(self, meter: str) -> Want:
        if meter not in self._wants:
            used = metered(self._view, self._catalog, meter, self._start_us, self._end_us)
            self._wants[meter] = Want(meter, used)
        return self._wants[meter]

    def _machines(self, version: Version, spec: Item) -> Metered:
        return machines(spec.machines or 0, version.from_us, min(version.until_us, self._view.time_us))

    def _tells(self, book: PriceBook, event: EventPrice | None) -> Told | None:
        if event is None:
            return None
        asked = (book.currency, event.model_dump_json())
        if asked not in self._told:
            self._told[asked] = told_prices(self._view, event, book.currency, self._end_us)
        return self._told[asked]


def _units(spec: Item, used: Metered) -> Units | str:
    """The units of an item, or why its price is of none into which quantities convert."""
    try:
        return Units(used.unit, spec.unit or used.unit, factor(used.unit, spec.unit) if spec.unit else Fraction(1))
    except ValueError as error:
        return str(error)


def _alike(spec: Item, used: Metered) -> list[list[int]]:
    """The places of users whose usage the item is for, together where events tell them the same price."""
    found: dict[tuple[Key, ...], list[int]] = {}
    for place, user in enumerate(used.users):
        if holds(spec.match, (), user.names):
            keys = tuple(key_of(price.event, user.names) for price in spec.prices if price.event is not None)
            found.setdefault(keys, []).append(place)
    return list(found.values())


def _texts(version: Version, item: str, spec: Item, used: Metered) -> tuple[list[Mapping[str, str]], np.ndarray]:
    """The columns of charges, each combination once, and the place of that of each user."""
    own = {"ServiceName": version.name, **({"ResourceId": item} if spec.machines else {})}
    stated = {**own, **version.book.columns, **spec.columns}
    place: dict[tuple[tuple[str, str], ...], int] = {}
    group = []
    for user in used.users:
        told = {column: user.names[name] for column, name in spec.dimensions.items() if name in user.names}
        group.append(place.setdefault(tuple(sorted({**stated, **told}.items())), len(place)))
    return [dict(texts) for texts in place], np.array(group, np.int64)


def _periods(version: Version, steps: Steps, hour_us: np.ndarray, price: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The period of the charge that each hour belongs to: the hour, or the part of the day in which one price holds."""
    if version.book.charges_per == "hour":
        return hour_us, hour_us + HOUR_US
    day_us = hour_us // DAY_US * DAY_US
    low_us = np.maximum(np.maximum(day_us, version.from_us), steps.from_us[price])
    high_us = np.minimum(np.minimum(day_us + DAY_US, version.until_us), steps.until_us[price])
    # An hour has the price that holds when it begins.
    return -(-low_us // HOUR_US) * HOUR_US, -(-high_us // HOUR_US) * HOUR_US
