"""Whom a version of a plan reaches, and from when.

A version holds for a billing period if it holds at the first moment of the plan in it. One that is dated in the middle of a billing period
therefore reaches a customer with the next one, and that day is what is told here, not the date on the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.billing.cycles import Account
from ledger.billing.period import Period
from ledger.schema.moments import instant_of


@dataclass(frozen=True)
class Reached:
    """A subscription that a version reaches: since when, and until when it has the plan (None for no end)."""

    account: Account
    since_us: int
    until_us: int | None


def reached(account: Account, plan: str, since_us: int, until_us: int | None) -> Reached | None:
    """When a version of a plan that holds from ``since_us`` until ``until_us`` first reaches a subscription; None where it never does.

    Raises NoPrice where another plan of the subscription has no version at some moment of it.
    """
    for start_us, end_us in _stays(account, plan):
        first_us: int | None = start_us
        if start_us < since_us:
            cycle = account.cycle_at(since_us)
            if cycle is None:
                continue
            begins_us = max(cycle.period.start_us, start_us)
            first_us = begins_us if begins_us >= since_us else cycle.period.end_us
        assert first_us is not None
        if (end_us is None or first_us < end_us) and (until_us is None or first_us < until_us):
            return Reached(account, first_us, end_us)
    return None


def is_reached(before: Account, after: Account, plan: str, version: int, billed: Period) -> bool:
    """Whether a billing period would be charged by this version of the plan, and was not before. Raises NoPrice."""
    # What is billed before it begins has no length, and is of the billing period that begins then.
    cycle = after.cycle_at(billed.start_us)
    if cycle is None:
        return False
    new = {
        part.period
        for part in after.parts(cycle)
        if (part.plan_name, part.plan_version) == (plan, version) and not part.free
    }
    old = before.cycle_at(billed.start_us)
    had = {part.period: (part.plan_name, part.plan_version) for part in before.parts(old)} if old else {}
    return any(had.get(period) != (plan, version) for period in new)


def _stays(account: Account, plan: str) -> Iterator[tuple[int, int | None]]:
    """From when until when a subscription has a plan."""
    subscription, end_us = account.subscription, account.bounds[1]
    starts = [(account.bounds[0], subscription.plan)]
    starts += [(instant_of(move.since, account.zone), move.plan) for move in subscription.moves]
    ends = [*(start_us for start_us, _ in starts[1:]), end_us]
    for (start_us, name), until_us in zip(starts, ends, strict=True):
        if name == plan and (end_us is None or start_us < end_us):
            yield start_us, until_us if end_us is None or until_us is None else min(until_us, end_us)
