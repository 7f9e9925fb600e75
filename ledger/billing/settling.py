"""How what is charged is paid for by what was promised or granted before: commitments, then credits.

A commitment that is paid in advance is charged when it begins and then draws down what its products charge; one that is paid in arrears counts
what they charge, and what is missing when it ends is charged then. What goes beyond a commitment while it holds may cost more.

Credits are drawn last, of what is still to be paid: by priority, then what expires first, then by name. What each still has is its amount less what
the tenant's finalized invoices drew, so nothing is kept beside the invoices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ledger.billing.charging import Line, Role
from ledger.billing.cycles import Account, Cycle
from ledger.billing.invoice import Finalized, InvoiceLine
from ledger.directory.agreement import Commitment
from ledger.directory.credit import Credit
from ledger.rating.rounding import round_exact
from ledger.schema.decimals import exact, total
from ledger.schema.moments import instant_of

_NONE = Decimal(0)


@dataclass(frozen=True)
class Grant:
    """A credit with its name."""

    name: str
    credit: Credit


def settled(
    account: Account,
    cycle: Cycle,
    lines: Sequence[InvoiceLine],
    past: Sequence[Finalized],
    grants: Iterable[Grant],
    currency: str,
) -> list[InvoiceLine]:
    """The lines of commitments and credits for an invoice that charges ``lines``."""
    settling = _Settling(account, cycle, list(lines), past, currency)
    for commitment in account.subscription.commitments:
        settling.commitment(commitment)
    for grant in sorted(grants, key=lambda each: _order(each, account)):
        settling.credit(grant)
    return settling.made


def _order(grant: Grant, account: Account) -> tuple[int, float, str]:
    until = grant.credit.until
    return grant.credit.priority, float("inf") if until is None else instant_of(until, account.zone), grant.name


class _Settling:
    """What is made so far, and what of each product's charges is still to be paid."""

    def __init__(
        self, account: Account, cycle: Cycle, lines: list[InvoiceLine], past: Sequence[Finalized], currency: str
    ) -> None:
        self._account, self._cycle, self._currency, self._past = account, cycle, currency, past
        self.made: list[InvoiceLine] = []
        self._open: dict[str, Decimal] = {}
        #: What commitments themselves are charged: credits may pay for it, and other commitments do not count it.
        self._besides = _NONE
        for each in lines:
            with exact():
                self._open[each.line.product] = self._open.get(each.line.product, _NONE) + each.amount

    def commitment(self, commitment: Commitment) -> None:
        """Charge, draw down or count one commitment."""
        zone, period = self._account.zone, self._cycle.period
        start_us = self._account.bounds[0] if commitment.since is None else instant_of(commitment.since, zone)
        until_us = self._account.bounds[1] if commitment.until is None else instant_of(commitment.until, zone)
        start_us = max(start_us, self._account.bounds[0])
        if start_us >= period.end_us or (until_us is not None and until_us <= period.start_us):
            return
        is_advance = commitment.billed == "advance"
        if is_advance and not self._has("commitment", commitment.name):
            self._add("commitment", commitment.name, round_exact(commitment.amount, self._currency))
        charged = max(self._payable(commitment.products), _NONE)
        with exact():
            remaining = commitment.amount - self._spent(commitment.name)
            counted = min(max(remaining, _NONE), charged)
            beyond = charged - counted
        if counted:
            self._add("draw-down", commitment.name, counted.copy_negate() if is_advance else _NONE, counted)
            if is_advance:
                self._pay(commitment.products, counted)
        if beyond and commitment.overage_percent:
            more = round_exact(Fraction(beyond) * Fraction(commitment.overage_percent) / 100, self._currency)
            self._add("overage", commitment.name, more, beyond)
        if not is_advance and until_us is not None and until_us <= period.end_us:
            with exact():
                missing = round_exact(remaining - counted, self._currency)
            if missing > 0:
                self._add("commitment", commitment.name, missing)

    def credit(self, grant: Grant) -> None:
        """Draw one credit, as far as it goes."""
        zone, period, credit = self._account.zone, self._cycle.period, grant.credit
        is_late = credit.since is not None and instant_of(credit.since, zone) >= period.end_us
        is_gone = credit.until is not None and instant_of(credit.until, zone) <= period.start_us
        if credit.currency != self._currency or is_late or is_gone:
            return
        with exact():
            every = self._payable(()) + self._besides
            payable = min(self._payable(credit.products), every) if credit.products else every
            drawn = -total(each.amount for each in self._lines("credit", grant.name))
            counted = min(credit.amount - drawn, payable)
        counted = round_exact(counted, self._currency)
        if counted > 0:
            self._add("credit", grant.name, counted.copy_negate())
            self._pay(credit.products, counted)

    def _lines(self, role: Role, name: str) -> Iterator[InvoiceLine]:
        for each in self._past:
            if role == "credit" or each.invoice.subscription == self._account.name:
                yield from (line for line in each.invoice.lines if (line.line.role, line.line.name) == (role, name))

    def _has(self, role: Role, name: str) -> bool:
        return next(self._lines(role, name), None) is not None

    def _spent(self, name: str) -> Decimal:
        return total(each.line.quantity or _NONE for each in self._lines("draw-down", name))

    def _payable(self, products: Sequence[str]) -> Decimal:
        return total(amount for product, amount in self._open.items() if not products or product in products)

    def _pay(self, products: Sequence[str], amount: Decimal) -> None:
        """Take what is paid off the products that it is for, in their order."""
        with exact():
            for product, still in self._open.items():
                if still > 0 and (not products or product in products):
                    paid = min(still, amount)
                    self._open[product] = still - paid
                    amount -= paid
            self._besides -= amount

    def _add(self, role: Role, name: str, amount: Decimal, quantity: Decimal | None = None) -> None:
        line = Line(role, "", "", name, name, self._cycle.period, amount, amount, quantity=quantity)
        self.made.append(InvoiceLine(line, self._cycle.period.start_us, amount))
        if role in ("commitment", "overage"):
            with exact():
                self._besides += amount
