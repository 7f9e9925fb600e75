"""Whose a cost can be besides a tenant's: names of the book's own, which no tenant can have."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.directory import methods
from meterbook.wire import series

#: Before the name of a pool.
_MARK = "@"
NO_REASON = ""


def pool_target(pool: str) -> str:
    """What a pool is called among tenants."""
    return _MARK + pool


SHARED, IDLE, UNALLOCATED = map(pool_target, (methods.SHARED, methods.IDLE, methods.UNALLOCATED))
#: Tenants of usage that are no customers: what becomes of their share, and why.
BOOKED: Mapping[str, tuple[str, str]] = {
    series.SHARED: (SHARED, NO_REASON),
    series.UNASSIGNED: (UNALLOCATED, f"it is of usage that is {series.UNASSIGNED}"),
    series.UNRESOLVED: (UNALLOCATED, f"it is of usage that is {series.UNRESOLVED}"),
}


def bearer(tenant: str) -> tuple[str, str]:
    """Who bears the share of a tenant's usage, and why if that is nobody. Agents may send names that no tenant can have."""
    if tenant in BOOKED:
        return BOOKED[tenant]
    if not tenant or is_own(tenant):
        return UNALLOCATED, f"it is of usage of {tenant!r}, which is no name of a tenant"
    return tenant, NO_REASON


def is_own(target: str) -> bool:
    """Whether it is none of a tenant."""
    return target.startswith(_MARK)
