"""Which drafts are due: the billing periods of a subscription that have ended, the one that holds a time, or what is billed before the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.billing.cycles import Account, Cycle, NoPrice
from ledger.query.questions import BadQuestion, instant
from meterbook.ledger.v1 import invoicing_pb2
from meterbook.wire import instants

Key = tuple[str, str, int | None]
#: Times of which the billing period of any length begins and ends inside the years that can be written down.
_FROM_US, _UNTIL_US = instants.parse("0003-01-01"), instants.parse("9998-01-01")


@dataclass(frozen=True)
class Job:
    """One draft that is to be finalized; no cycle for what is billed before the first one."""

    account: Account
    cycle: Cycle | None

    @property
    def key(self) -> Key:
        """What it is told from others by."""
        return self.account.tenant, self.account.name, self.cycle.period.start_us if self.cycle else None


def check(request: invoicing_pb2.FinalizeRequest) -> None:
    """Raises BadQuestion for what does not go together, or is no time that a billing period has."""
    given = [name for name in ("at", "since") if getattr(request, name)] + (["opening"] if request.opening else [])
    if len(given) > 1:
        raise BadQuestion(f"{given[1]}: goes not with {given[0]!r}; give one of them")
    if request.at and not _FROM_US <= instant(request.at, "at") < _UNTIL_US:
        raise BadQuestion(f"at: {request.at} has no billing period; give a time of the years 3 to 9997")


def wanted(request: invoicing_pb2.FinalizeRequest, account: Account, now_us: int) -> Iterator[Job]:
    """The drafts of one subscription that are asked for, in order of time. Raises BadQuestion."""
    if request.opening:
        yield Job(account, None)
        return
    try:
        if request.at:
            cycle = account.cycle_at(instant(request.at, "at"))
            if cycle is not None and cycle.period.end_us > now_us:
                raise BadQuestion(f"at: the billing period {cycle.period} of {account.name!r} has not ended")
        else:
            since_us = instant(request.since, "since") if request.since else account.bounds[0]
            if since_us > now_us:
                return
            cycle = account.cycle_at(max(since_us, account.bounds[0]))
            if cycle is not None and cycle.period.start_us < since_us:
                cycle = account.after(cycle)
        while cycle is not None and cycle.period.end_us <= now_us:
            yield Job(account, cycle)
            cycle = None if request.at else account.after(cycle)
    except NoPrice as error:
        raise BadQuestion(f"{account.name!r} of tenant {account.tenant!r} cannot be charged: {error}") from error
