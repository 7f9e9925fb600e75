"""What became of bills, in one currency.

Charges of one currency may have several rates, one for each day. So they are told apart by their rate as if it were a currency, added up in their own
currency as ever, turned, and added up again, as fractions; what is shown of them is apportioned, so that it adds up, too. What was billed is added up by day
where the charges lie, as in ``reconciling``, and turned by itself: the residual is 0 in the other currency for the same reason, and as a check as good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from ledger.costing.allocating import Allocated
from ledger.costing.amounts import exact_total
from ledger.costing.apportioning import apportioned, parts_of
from ledger.costing.bills import Bill
from ledger.costing.exchanging import Exchange, Rate, turned
from ledger.costing.profiles import Coded, Profiles, numbered
from ledger.costing.reconciling import (
    CLASSES,
    Class,
    Reconciled,
    TenantCost,
    Unallocated,
    reconciled,
    tenant_costs,
    unallocated,
)
from ledger.costing.serving import Served, served
from ledger.journal.view import View
from meterbook.wire.instants import DAY_US

#: The column by which charges have to be told apart to be turned.
DAY = "day"
#: Groups by day that are turned at most: as many as fit the memory of a question.
GROUPS_MAX = 200_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()

_Part: TypeAlias = Class | Literal["residual"]
Group = TypeVar("Group", str, tuple[str, ...])
Part = TypeVar("Part", bound=Hashable)


class TooManyGroups(ValueError):
    """There are more groups by day than can be turned; the message says how many."""


@dataclass(frozen=True)
class Denominated:
    """An allocation whose profiles have, for their currency, the number of a rate as text."""

    allocated: Allocated
    rates: Sequence[Rate]

    def rate(self, number: str) -> Rate:
        """The rate of a text that stands for a currency."""
        return self.rates[int(number)]


def days_of(profiles: Profiles) -> set[tuple[str, date]]:
    """Every currency and day of which there is a charge."""
    _, places, days = _by_day(profiles)
    return {(profiles.currency.text(place), day) for place, day in zip(places, days, strict=True)}


def denominated(allocated: Allocated, exchange: Exchange) -> Denominated:
    """The allocation, told apart by rates."""
    profiles = allocated.profiles
    codes, places, days = _by_day(profiles)
    rates = [exchange.rate(profiles.currency.text(place), day) for place, day in zip(places, days, strict=True)]
    number = {rate: place for place, rate in enumerate(dict.fromkeys(rates))}
    told = np.array([number[rate] for rate in rates], np.int64)
    currency = Coded(told[codes], tuple(map(str, range(len(number)))))
    return Denominated(replace(allocated, profiles=replace(profiles, currency=currency)), list(number))


def tenant_costs_in(told: Denominated, cost: str) -> list[TenantCost]:
    """What everybody bears, by tenant and currency, as ``reconciling.tenant_costs``."""
    sums: dict[tuple[str, str], dict[Class, Fraction]] = {}
    for row in tenant_costs(told.allocated, cost):
        rate = told.rate(row.currency)
        parts = sums.setdefault((rate.into, row.tenant), {})
        for name, amount in row.parts.items():
            parts[name] = parts.get(name, Fraction(0)) + turned(amount, rate)
    return sorted(
        (
            TenantCost(tenant, currency, exact_total(parts.values()), parts)
            for (currency, tenant), parts in _shown(sums).items()
        ),
        key=lambda row: (row.tenant, row.currency),
    )


def unallocated_in(told: Denominated, cost: str, sums: Iterable[Reconciled]) -> list[Unallocated]:
    """What is nobody's, by reason and currency, as ``reconciling.unallocated``; it adds up to that of the ``sums`` of all charges."""
    reasons: dict[str, dict[str, Fraction]] = {}
    charges: Counter[tuple[str, str]] = Counter()
    for row in unallocated(told.allocated, cost):
        rate = told.rate(row.currency)
        charges[rate.into, row.reason] += row.charges
        parts = reasons.setdefault(rate.into, {})
        parts[row.reason] = parts.get(row.reason, Fraction(0)) + turned(row.amount, rate)
    return [
        Unallocated(reason, total.currency, charges[total.currency, reason], amount)
        for total in sums
        if (parts := dict(sorted(reasons.get(total.currency, {}).items())))
        for reason, amount in zip(parts, parts_of(total.parts["unallocated"], list(parts.values())), strict=True)
    ]


def served_in(told: Denominated, cost: str, spans: np.ndarray) -> list[Served]:
    """What everybody bears, and by what it was divided, as ``serving.served``."""
    sums: dict[tuple[str, str], dict[Served, Fraction]] = {}
    for row in served(told.allocated, cost, spans):
        rate = told.rate(row.currency)
        parts = sums.setdefault((rate.into, row.target), {})
        key = replace(row, currency=rate.into, cost=Decimal(0))
        parts[key] = parts.get(key, Fraction(0)) + turned(row.cost, rate)
    return [replace(key, cost=amount) for parts in _shown(sums).values() for key, amount in parts.items()]


def reconciled_in(
    view: View, standing: Sequence[Bill], allocated: Allocated, exchange: Exchange, cost: str, by: Sequence[str]
) -> list[Reconciled]:
    """All groups, of which most is billed first, as ``reconciling.reconciled``.

    The allocation's profiles must be told apart by DAY, too. Raises NoSuchColumn, TooManyGroups.
    """
    names = list(dict.fromkeys([*by, DAY]))
    rows, count = reconciled(view, standing, allocated, cost, names, GROUPS_MAX)
    if count > len(rows):
        raise TooManyGroups(
            f"{count} groups by day are more than the {GROUPS_MAX} that can be told in another currency"
        )
    sums: dict[tuple[str, tuple[str, ...]], dict[_Part, Fraction]] = {}
    charges: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for row in rows:
        rate = exchange.rate(row.currency, date.fromisoformat(row.group[DAY]))
        key = rate.into, tuple(row.group[name] for name in by)
        charges[key] += row.charges
        parts = sums.setdefault(key, dict.fromkeys((*CLASSES, "residual"), Fraction(0)))
        told: list[tuple[_Part, Decimal]] = [*row.parts.items(), ("residual", row.residual)]
        for name, amount in told:
            if amount:
                parts[name] += turned(amount, rate)
    found = []
    for key, shown in _shown(sums).items():
        billed = exact_total(shown.values())
        classes = {name: amount for name, amount in shown.items() if name != "residual"}
        found.append(Reconciled(dict(zip(by, key[1], strict=True)), key[0], charges[key], billed, classes))
    return sorted(found, key=lambda row: (row.billed.copy_negate(), row.currency, *row.group.values()))


def together(rows: Iterable[Reconciled]) -> list[Reconciled]:
    """What groups came to, by currency."""
    found: dict[str, list[Reconciled]] = {}
    for row in rows:
        found.setdefault(row.currency, []).append(row)
    return [
        Reconciled(
            {},
            currency,
            sum(row.charges for row in each),
            exact_total(row.billed for row in each),
            {name: exact_total(row.parts[name] for row in each) for name in each[0].parts},
        )
        for currency, each in sorted(found.items())
    ]


def _by_day(profiles: Profiles) -> tuple[np.ndarray, list[int], list[date]]:
    """Profiles as one number for each currency and day; of each number a profile, and the day."""
    day = profiles.start_us // DAY_US
    codes, places = numbered([profiles.currency.codes, day], len(profiles))
    return codes, places.tolist(), [date.fromordinal(each + _EPOCH_DAY) for each in day[places].tolist()]


def _shown(sums: Mapping[tuple[str, Group], Mapping[Part, Fraction]]) -> dict[tuple[str, Group], dict[Part, Decimal]]:
    """Parts of groups, by currency and group, as decimals that add up."""
    keys: dict[str, list[tuple[str, Group]]] = {}
    for key in sorted(sums):
        keys.setdefault(key[0], []).append(key)
    return {
        key: dict(zip(sums[key], parts, strict=True))
        for each in keys.values()
        for key, parts in zip(each, apportioned([list(sums[key].values()) for key in each]), strict=True)
    }
