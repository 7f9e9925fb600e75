"""The life of a random customer's invoices: each is finalized as the book knew it then, with what was late on the next."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.billing.cycles import Account, Cycle
from ledger.billing.document import document_of, invoice_of
from ledger.billing.invoice import Finalized, Invoice
from tests.ledger.billing.worlds import HOUR_US, Customer

#: An invoice is made so long after its cycle ended.
_DELAY = 48


class Life:
    """Every invoice of a customer, made when it is due and of what was known then."""

    def __init__(self, customer: Customer) -> None:
        self.customer = customer
        self.past: list[Finalized] = []
        self._known: dict[int, list[Cycle]] = {}
        end_us = customer.account(customer.changed).bounds[1]
        assert end_us is not None
        late = max((row.known for row in customer.rows), default=0)
        self.over = max(late, customer.changed, end_us // HOUR_US + 1) + 2 * _DELAY

    def lived(self) -> list[Finalized]:
        """The invoices, the last of them what was still to be corrected."""
        now = self.customer.account(0).bounds[0] // HOUR_US + 1
        if self.customer.with_opening:
            self._finalized(self.customer.desk(now, self.past).opening())
        while now < self.over:
            cycle = self._due(now)
            if cycle is not None:
                self._finalized(self.customer.desk(now, self.past).draft(cycle))
                now += 1
            else:
                now = self._next(now)
        for _ in range(2):
            self._finalized(self.customer.desk(self.over, self.past).corrections())
        return self.past

    def _due(self, now: int) -> Cycle | None:
        """The first cycle that is over and has no invoice."""
        account = self.customer.account(now)
        closed = {
            each.invoice.billed.start_us: each.invoice.billed for each in self.past if each.invoice.basis == "cycle"
        }
        for cycle in self._cycles(account):
            if cycle.period.end_us > (now - _DELAY) * HOUR_US:
                return None
            done = closed.get(cycle.period.start_us)
            if done is None or done.end_us < cycle.period.end_us:
                return cycle
        return None

    def _cycles(self, account: Account) -> Iterator[Cycle]:
        found = self._known.setdefault(id(account), [])
        yield from found
        cycle = account.after(found[-1]) if found else account.cycle_at(account.bounds[0])
        while cycle is not None:
            found.append(cycle)
            yield cycle
            cycle = account.after(cycle)

    def _next(self, now: int) -> int:
        account = self.customer.account(now)
        cycle = account.cycle_at((now - _DELAY) * HOUR_US)
        ends = self.over if cycle is None else -(-cycle.period.end_us // HOUR_US) + _DELAY
        if cycle is None and (now - _DELAY) * HOUR_US < account.bounds[0]:
            ends = now + _DELAY
        waits = [ends, self.over] + ([self.customer.changed] if now < self.customer.changed else [])
        return max(min(waits), now + 1)

    def _finalized(self, made: Invoice | None) -> None:
        if made is not None:
            text = document_of(made)
            assert document_of(invoice_of(text)) == text
            self.past.append(Finalized(f"INV-{len(self.past) + 1}", made.as_of, invoice_of(text)))
