"""What serving a tenant cost in a range of time, by the bills of its months as the allocation rules divide them.

Cost is of a time: a charge belongs to the range in which its own period begins. Bills are of months in UTC, and what a tenant calls March is one of its own
zone: the two that have the same name belong together, so a range is taken as the clock on the tenant's wall has it. Ranges that tile a year have costs that add up to the year's, and
the cost of a month is that of one bill. It is known once a bill of every month that the range touches stands; before, nothing is guessed.
"""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from ledger.billing.period import billing_period
from ledger.costing.allocating import Allocated, allocate
from ledger.costing.converted import days_of, denominated, served_in
from ledger.query.allocated import Asked
from ledger.query.exchanged import exchange_of
from ledger.query.questions import Book
from ledger.schema.decimals import total
from meterbook.ledger.v1 import costing_pb2
from meterbook.wire import instants

_UTC = ZoneInfo("UTC")


class CostUnknown(LookupError):
    """What serving cost in a range cannot be told yet; the message says which bill, or rate, is missing."""


class Costs:
    """Cost by the bills of one book; the bills of a month are allocated once."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._months: dict[str, tuple[Asked, Allocated]] = {}
        self._by_tenant: dict[tuple[int, int, str], dict[str, Decimal]] = {}

    def of(self, tenant: str, zone: ZoneInfo, start_us: int, end_us: int, currency: str) -> Decimal:
        """What a tenant bears of the charges that begin in a range, in a currency. Raises CostUnknown."""
        key = _on_the_wall(start_us, zone), _on_the_wall(end_us, zone), currency
        if key not in self._by_tenant:
            self._by_tenant[key] = self._all(*key)
        return self._by_tenant[key].get(tenant, Decimal(0))

    def _all(self, start_us: int, end_us: int, currency: str) -> dict[str, Decimal]:
        sums: dict[str, list[Decimal]] = {}
        at_us = start_us
        while at_us < end_us:
            asked, allocated = self._month(instants.text(at_us)[: len("2026-03")])
            exchange = exchange_of(self._book, currency, days_of(allocated.profiles))
            if missing := exchange.missing():
                raise CostUnknown(f"{missing[0]}")
            spans = np.searchsorted(np.array([start_us, end_us], np.int64), allocated.profiles.start_us, "right")
            for row in served_in(denominated(allocated, exchange), asked.cost, spans):
                if row.span == 1:
                    sums.setdefault(row.target, []).append(row.cost)
            at_us = billing_period(at_us, _UTC).end_us
        return {target: total(costs) for target, costs in sums.items()}

    def _month(self, name: str) -> tuple[Asked, Allocated]:
        if name not in self._months:
            asked = Asked.of(self._book, costing_pb2.Billing(period=name))
            if not asked.standing or asked.problems():
                why = "; ".join(asked.problems()) or "none has come"
                raise CostUnknown(f"what serving cost is not known: no bill of {name} stands: {why}")
            allocated = allocate(self._book.view, self._book.catalog, asked.standing)
            if allocated.problems:
                raise CostUnknown(f"what serving cost in {name} is not known: {allocated.problems[0]}")
            self._months[name] = asked, allocated
        return self._months[name]


def _on_the_wall(at_us: int, zone: ZoneInfo) -> int:
    """The instant at which a clock of UTC shows what one of the zone shows then."""
    return instants.from_datetime(instants.to_datetime(at_us).astimezone(zone).replace(tzinfo=_UTC))
