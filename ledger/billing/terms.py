"""Terms: which subscriptions bill a tenant in a period, and which of their cycles.

The period that is asked for is told by an instant. A subscription that holds then is billed for the cycle that holds it; one that began or ended in the
same calendar month of the tenant is billed too, for the cycle that it had there: a customer who changed subscriptions inside a month gets a draft for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ledger.billing.cycles import Account, Cycle, NoPrice, Part
from ledger.billing.period import Period, billing_period
from ledger.directory.catalog import Catalog
from ledger.directory.tenant import Tenant


class NotSubscribed(LookupError):
    """Nothing bills this tenant in this period."""

    def __init__(self, tenant: str, period: Period, reason: str = "") -> None:
        super().__init__(f"tenant {tenant!r} has no subscription in the billing period {period}" + reason)
        self.tenant = tenant
        self.period = period


@dataclass(frozen=True)
class Terms:
    """What one invoice is drafted on."""

    account: Account
    cycle: Cycle

    @property
    def tenant(self) -> str:
        """Who is billed."""
        return self.account.tenant

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the cycle, each with the plan that holds in it."""
        return self.account.parts(self.cycle)


def zone_of(catalog: Catalog, tenant: str) -> ZoneInfo | None:
    """The tenant's zone, which is the same for all dates; None where there is no such tenant."""
    versions = catalog.versions("tenant", tenant)
    newest = versions[-1].spec if versions else None
    return newest.zone if isinstance(newest, Tenant) else None


def accounts(catalog: Catalog, tenant: str) -> Iterator[Account]:
    """The subscriptions of a tenant, those that have ended and those still to start included."""
    zone = zone_of(catalog, tenant)
    if zone is not None:
        for name, subscription in catalog.subscriptions_of(tenant).items():
            yield Account(name, tenant, zone, subscription, catalog)


def terms_of(catalog: Catalog, tenant: str, at_us: int) -> tuple[Terms, ...]:
    """The terms for the billing period that holds an instant, in order of time.

    Raises NotSubscribed, naming tenant and period, where there are none; for a tenant that is not defined the
    period is the month in UTC.
    """
    zone = zone_of(catalog, tenant)
    if zone is None:
        period = billing_period(at_us, ZoneInfo("UTC"))
        raise NotSubscribed(tenant, period, ": no such tenant is defined")
    month = billing_period(at_us, zone)
    found: list[Terms] = []
    for account in accounts(catalog, tenant):
        held = Period(at_us, at_us + 1).clipped(*account.bounds) or month.clipped(*account.bounds)
        # What does not bill here must not be in the way, whatever is wrong with it.
        if held is None:
            continue
        try:
            cycle = account.cycle_at(held.start_us)
            if cycle is not None:
                account.parts(cycle)
        except NoPrice as error:
            raise NotSubscribed(tenant, month, f": {error}") from error
        if cycle is not None:
            found.append(Terms(account, cycle))
    if not found:
        raise NotSubscribed(tenant, month)
    return tuple(sorted(found, key=lambda each: each.cycle.period.start_us))
