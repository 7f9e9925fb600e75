"""Tenancies: a tenant's billing period, and under which plan it was when.

Cost knows no subscriptions: it is of a time. It belongs to the plan that began last before that time, and to the first one where none had begun, so that
no cost of the period is left without a plan that there is. Bills are of months in UTC, and a tenant's month is one of its own zone: the two that have
the same name belong together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from ledger.billing.period import Period, billing_period
from ledger.billing.terms import NotSubscribed, Terms, terms_of
from ledger.directory.catalog import Catalog
from ledger.directory.tenant import Tenant
from meterbook.wire import instants

_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class PlanSpan:
    """A part of a billing period and the plan in it (empty for none), with the meters that it charges."""

    period: Period
    plan: str = ""
    charged: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Tenancy:
    """A tenant's billing period, which begins on ``day`` in its own zone, the terms on which it is billed, and spans that cover the period."""

    period: Period
    day: date
    terms: tuple[Terms, ...]
    spans: tuple[PlanSpan, ...]

    @property
    def month(self) -> str:
        """The name of the month, such as 2026-03."""
        return self.day.isoformat()[: len("2026-03")]

    def span_at(self, instant_us: int) -> PlanSpan:
        """The span that an instant belongs to, also one that is before or after the period."""
        begun = [span for span in self.spans if span.period.start_us <= instant_us]
        return begun[-1] if begun else self.spans[0]


def nobodys(at_us: int) -> Tenancy:
    """The tenancy of whoever has no subscription, the book's own among them: the month in UTC that holds an instant."""
    return _unbilled(billing_period(at_us, _UTC), _UTC)


def tenancies(catalog: Catalog, tenants: Iterable[str], at_us: int) -> dict[str, Tenancy]:
    """The tenancy of each tenant in its billing period that holds an instant."""
    found: dict[str, Tenancy] = {}
    for tenant in sorted(tenants):
        versions = catalog.versions("tenant", tenant)
        newest = versions[-1].spec if versions else None
        zone = newest.zone if isinstance(newest, Tenant) else _UTC
        try:
            terms = terms_of(catalog, tenant, at_us)
        except NotSubscribed as error:
            found[tenant] = _unbilled(error.period, zone)
        else:
            period = terms[0].cycle.whole
            found[tenant] = Tenancy(period, _day(period, zone), terms, tuple(_spans(period, terms)))
    return found


def _unbilled(period: Period, zone: ZoneInfo) -> Tenancy:
    return Tenancy(period, _day(period, zone), (), (PlanSpan(period),))


def _day(period: Period, zone: ZoneInfo) -> date:
    return instants.to_datetime(period.start_us).astimezone(zone).date()


def _spans(period: Period, terms: tuple[Terms, ...]) -> Iterable[PlanSpan]:
    parts = [part for each in terms for part in each.parts]
    starts = [period.start_us, *(part.period.start_us for part in parts[1:])]
    for part, start_us, end_us in zip(parts, starts, [*starts[1:], period.end_us], strict=True):
        yield PlanSpan(Period(start_us, end_us), part.plan_name, part.plan.meters)
