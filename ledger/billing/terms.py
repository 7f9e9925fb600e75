"""Terms: which subscriptions bill a tenant in a period, on which plan and for which part of it.

The plan's version is the one that holds at the first moment billed: a price that changes inside a month changes
from the next month on, so that no invoice needs two prices for one tier. A subscription that starts or ends
inside the month is billed for the part it covers; the usage is cut there, the flat fee is charged whole.

A tenant who changes plan inside a month has two subscriptions in it, one after the other, and so two sets of
terms and two drafts; the directory does not let two overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ledger.billing.period import Period, billing_period
from ledger.directory.catalog import Catalog
from ledger.directory.plan import Plan
from ledger.directory.tenant import Tenant


class NotSubscribed(LookupError):
    """Nothing bills this tenant in this period."""

    def __init__(self, tenant: str, period: Period, reason: str = "") -> None:
        super().__init__(f"tenant {tenant!r} has no subscription in the billing period {period}" + reason)
        self.tenant = tenant
        self.period = period


@dataclass(frozen=True)
class Terms:
    """What one invoice is drafted on: ``period`` is the whole month, ``billed`` the part that is covered."""

    tenant: str
    subscription: str
    plan_name: str
    plan_version: int
    plan: Plan
    period: Period
    billed: Period


def terms_of(catalog: Catalog, tenant: str, at_us: int) -> tuple[Terms, ...]:
    """The terms for the billing month that holds an instant, in order of time.

    Raises NotSubscribed, naming tenant and period, where there are none; for a tenant that is not defined the
    period is the month in UTC.
    """
    zone = _zone_of(catalog, tenant)
    if zone is None:
        period = billing_period(at_us, ZoneInfo("UTC"))
        raise NotSubscribed(tenant, period, ": no such tenant is defined")
    period = billing_period(at_us, zone)
    found: list[Terms] = []
    for name, subscription in catalog.subscriptions_of(tenant).items():
        billed = period.clipped(*subscription.bounds(zone))
        if billed is None:
            continue
        plan = catalog.get("plan", subscription.plan, billed.start_us)
        if plan is None or not isinstance(plan.spec, Plan):
            raise NotSubscribed(tenant, period, f": plan {subscription.plan!r} of {name!r} does not hold yet")
        found.append(Terms(tenant, name, subscription.plan, plan.version, plan.spec, period, billed))
    if not found:
        raise NotSubscribed(tenant, period)
    return tuple(sorted(found, key=lambda each: each.billed.start_us))


def _zone_of(catalog: Catalog, tenant: str) -> ZoneInfo | None:
    """The tenant's zone, which is the same for all dates."""
    versions = catalog.versions("tenant", tenant)
    newest = versions[-1].spec if versions else None
    return newest.zone if isinstance(newest, Tenant) else None
