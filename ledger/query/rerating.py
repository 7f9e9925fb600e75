"""Past billing periods, rated twice: as the book stands, and under a catalog that is not in it.

Usage is read once for all tenants and for both sides. A meter that the book does not have yet is measured over what agents sent, as it
would be if it were applied, so that a plan can be tried together with the meter that it needs; nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from ledger.billing.cycles import Account, Cycle
from ledger.billing.period import Period, named_period
from ledger.billing.simulating import Pair
from ledger.billing.terms import accounts, zone_of
from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.metering.answer import TooLarge, tried
from ledger.metering.usage import Usage
from ledger.query.desks import UNDRAFTABLE, Desks, said
from ledger.query.pieces import Pieces
from ledger.query.questions import BadQuestion, Book
from ledger.schema.decimals import total
from meterbook.wire.instants import DAY_US

_LONGEST_US = 367 * DAY_US


class TriedPieces(Pieces):
    """Usage of a book, and of meters that are not in it."""

    def __init__(self, book: Book, tenants: Collection[str], meters: Mapping[str, Meter]) -> None:
        super().__init__(book, tenants)
        self._tried_book, self._chosen, self._meters = book, tenants, meters
        self._all: dict[tuple[int, int], list[Usage]] = {}

    def usage(self, start_us: int, end_us: int) -> list[Usage]:
        """What the tenants used in a range. Raises BadQuestion where a quantity has no room."""
        if (start_us, end_us) not in self._all:
            found = list(super().usage(start_us, end_us))
            for name, meter in self._meters.items():
                try:
                    rows = tried(self._tried_book.view, name, meter, start_us, end_us, self._chosen)
                except TooLarge as error:
                    raise BadQuestion(f"{error}; measure it by a meter of a larger unit") from error
                found += _summed(rows)
            self._all[start_us, end_us] = found
        return self._all[start_us, end_us]


def _summed(rows: Collection[Usage]) -> Iterator[Usage]:
    """Windows of a meter as one quantity for each tenant and dimensions, as usage that is billed has it."""
    grouped: dict[tuple[str, str], list[Usage]] = {}
    for row in rows:
        grouped.setdefault((row.tenant, row.dimensions), []).append(row)
    for found in grouped.values():
        yield replace(
            found[0],
            window_us=None,
            quantity=total(row.quantity for row in found),
            estimated=total(row.estimated for row in found),
            observed_us=sum(row.observed_us for row in found),
            expected_us=sum(row.expected_us for row in found),
        )


@dataclass
class Rerating:
    """What billing periods come to on both sides, and what stood in the way."""

    book: Book
    then: Catalog
    changed: Collection[str]
    pieces: Pieces
    pairs: list[Pair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    #: Tenants with a billing period in which no plan changes, those with one that cannot be rated, and meters of which there was any usage.
    unchanged: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    #: Plans that somebody is on, the meters that they would go by, and the ends of the billing periods.
    subscribed: set[str] = field(default_factory=set)
    meters: dict[str, str] = field(default_factory=dict)
    ends_us: list[int] = field(default_factory=list)

    def rate(self, period: str, tenants: Collection[str]) -> None:
        """Rate every billing period of some tenants (empty for all) that begins in a period. Raises BadQuestion."""
        desks = Desks(self.book, tenants, self.pieces)
        subscribed = {each.tenant for each in self.book.catalog.subscriptions().values()}
        spans: dict[ZoneInfo, Period] = {}
        for tenant in sorted(subscribed.intersection(tenants) if tenants else subscribed):
            zone = zone_of(self.book.catalog, tenant)
            assert zone is not None, "a subscription's tenant is defined"
            span = spans.get(zone) or spans.setdefault(zone, _span(period, zone))
            others = {each.name: each for each in accounts(self.then, tenant)}
            for account in accounts(self.book.catalog, tenant):
                try:
                    self._account(desks, account, others[account.name], span)
                except BadQuestion:
                    raise
                except UNDRAFTABLE as error:
                    self.failed.add(tenant)
                    self.problems.append(
                        f"subscription {account.name!r} of tenant {tenant!r} is left out: {said(error)}"
                    )

    def _account(self, desks: Desks, account: Account, other: Account, span: Period) -> None:
        for cycle in _cycles(account, span):
            parts = other.parts(cycle)
            names = {part.plan_name for part in parts}
            if not names.intersection(self.changed):
                self.unchanged.add(account.tenant)
                continue
            self.subscribed |= names.intersection(self.changed)
            # Both sides or none: half of a comparison would look like a change of price.
            pair = Pair(desks.desk(account).due(cycle), desks.desk(other).due(cycle))
            self.pairs.append(pair)
            self.ends_us.append(cycle.period.end_us)
            self.used.update(row.meter for row in self.pieces.of_tenant(account.tenant, cycle.period))
            for part in parts:
                if part.plan_name in self.changed and not part.free:
                    self.meters.update(dict.fromkeys(part.plan.meters, part.plan_name))


def _span(period: str, zone: ZoneInfo) -> Period:
    try:
        found = named_period(period, zone)
    except ValueError as error:
        raise BadQuestion(f"period: {error}") from error
    if found.end_us - found.start_us > _LONGEST_US:
        raise BadQuestion(f"period: {period!r} is longer than a year; ask for one year after the other")
    return found


def _cycles(account: Account, span: Period) -> Iterator[Cycle]:
    """The billing periods that begin in a span. Raises NoPrice."""
    cycle = account.cycle_at(max(span.start_us, account.bounds[0]))
    while cycle is not None and cycle.period.start_us < span.end_us:
        if cycle.period.start_us >= span.start_us:
            yield cycle
        # To look for one behind the last costs as much as the last itself.
        cycle = account.after(cycle) if cycle.period.end_us < span.end_us else None
