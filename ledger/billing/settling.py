"""How what is charged is paid for by what was promised or granted before: commitments, then credits.

A commitment that is paid in advance is charged when it begins and then draws down what its products charge; one that is paid in arrears counts
what they charge, and what is missing when it ends is charged then. What goes beyond a commitment while it holds may cost more.

What a commitment counts is charged for billing periods that it holds in, on whatever invoice: a correction that comes later counts for the time that it
corrects, and one that takes something back gives back first what was beyond the commitment, then what the commitment paid. Nothing that was invoiced before a
commitment was written down is counted by it afterwards.

Credits are drawn last, of what is still to be paid: by priority, then what expires first, then by name. What each still has is its amount less what
the tenant's finalized invoices drew, so nothing is kept beside the invoices. Where less than nothing is to be paid they get back what they paid, the last of
them first: what was never paid in money is not paid out in money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ledger.billing.charging import Line, Role
from ledger.billing.cycles import Account, Cycle
from ledger.billing.invoice import Finalized, InvoiceLine
from ledger.directory.agreement import Commitment
from ledger.directory.credit import Credit
from ledger.rating.rounding import round_exact
from ledger.schema.currency import minor_unit
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
    for name in settling.dropped():
        settling.dissolve(name)
    order = sorted(grants, key=lambda each: _order(each, account))
    for grant in order:
        settling.credit(grant)
    for grant in reversed(order):
        settling.give_back(grant)
    return settling.made


def _order(grant: Grant, account: Account) -> tuple[int, float, str]:
    until = grant.credit.until
    return grant.credit.priority, float("inf") if until is None else instant_of(until, account.zone), grant.name


#: What is charged, by product and by the beginning of the cycle that it is for.
_Place = tuple[str, int]


class _Settling:
    """What is made so far, and what of each product's charges is still to be paid."""

    def __init__(
        self, account: Account, cycle: Cycle, lines: list[InvoiceLine], past: Sequence[Finalized], currency: str
    ) -> None:
        self._account, self._cycle, self._currency, self._past = account, cycle, currency, past
        self.made: list[InvoiceLine] = []
        self._open: dict[_Place, Decimal] = {}
        #: What commitments themselves are charged: credits may pay for it, and other commitments do not count it.
        self._besides = _NONE
        with exact():
            for each in lines:
                place = each.line.product, each.cycle_us
                self._open[place] = self._open.get(place, _NONE) + each.amount

    def commitment(self, commitment: Commitment) -> None:
        """Charge, draw down or count one commitment."""
        counts = self._counting(commitment)
        if not any(counts(place) for place in self._open) and not self._is_in(commitment, self._cycle.period.start_us):
            return
        name, is_advance = commitment.name, commitment.billed == "advance"
        committed = self._coins(commitment.amount)
        with exact():
            unpaid = committed - self._amount("commitment", name)
        if is_advance and unpaid:
            # All of it where it begins, and the difference where it was changed since.
            self._add("commitment", name, unpaid)
        spent, over = self._quantity("draw-down", name), self._quantity("overage", name)
        with exact():
            reached = spent + over + self._payable(counts)
            covered = min(max(reached, _NONE), committed)
            counted, beyond = covered - spent, max(reached - committed, _NONE) - over
        if counted:
            self._add("draw-down", name, counted.copy_negate() if is_advance else _NONE, counted)
            if is_advance:
                self._pay(counts, counted)
        if beyond:
            more = round_exact(Fraction(over + beyond) * Fraction(commitment.overage_percent) / 100, self._currency)
            with exact():
                self._add("overage", name, more - self._amount("overage", name), beyond)
        # What was missing is settled again with every change that comes after it.
        if not is_advance and (self._is_over(commitment) or self._has("commitment", name)):
            with exact():
                missing = committed - covered - self._amount("commitment", name)
            if missing:
                self._add("commitment", name, missing)

    def dropped(self) -> list[str]:
        """The names of the commitments that were invoiced and that the subscription does not have any more."""
        names = {each.name for each in self._account.subscription.commitments}
        own = [each for each in self._past if each.invoice.subscription == self._account.name]
        found = {line.line.name for each in own for line in each.invoice.lines if line.line.role == "commitment"}
        return sorted(found - names)

    def dissolve(self, name: str) -> None:
        """Give back what was paid for a commitment and not drawn down."""
        with exact():
            left = self._amount("commitment", name) + self._amount("draw-down", name)
        if left:
            self._add("commitment", name, left.copy_negate())

    def credit(self, grant: Grant) -> None:
        """Draw one credit, as far as it goes."""
        zone, period, credit = self._account.zone, self._cycle.period, grant.credit
        is_late = credit.since is not None and instant_of(credit.since, zone) >= period.end_us
        is_gone = credit.until is not None and instant_of(credit.until, zone) <= period.start_us
        if credit.currency != self._currency or is_late or is_gone:
            return

        def pays(place: _Place) -> bool:
            return not credit.products or place[0] in credit.products

        with exact():
            every = self._payable(lambda _: True) + self._besides
            payable = min(self._payable(pays), every) if credit.products else every
            # All of a tenant's subscriptions draw on its credits.
            counted = min(self._coins(credit.amount) + self._amount("credit", grant.name, of_all=True), payable)
        if counted > 0:
            self._add("credit", grant.name, counted.copy_negate())
            self._pay(pays, counted)

    def give_back(self, grant: Grant) -> None:
        """Where less than nothing is to be paid, a credit gets back what it paid, before anybody is paid out."""
        with exact():
            every = self._payable(lambda _: True) + self._besides
            back = min(-self._amount("credit", grant.name), -every)
        if grant.credit.currency == self._currency and back > 0:
            self._add("credit", grant.name, back)
            with exact():
                self._besides += back

    def _is_over(self, commitment: Commitment) -> bool:
        """Whether a commitment ends in this cycle or ended before it; it ends with the subscription at the latest."""
        ends = [] if commitment.until is None else [instant_of(commitment.until, self._account.zone)]
        ends += [] if self._account.bounds[1] is None else [self._account.bounds[1]]
        return bool(ends) and min(ends) <= self._cycle.period.end_us

    def _is_in(self, commitment: Commitment, cycle_us: int) -> bool:
        """Whether a commitment holds at any moment of the cycle that begins, or began before it was changed, at ``cycle_us``."""
        zone, cycle = self._account.zone, self._account.cycle_at(cycle_us)
        end_us = cycle_us + 1 if cycle is None else cycle.period.end_us
        is_early = commitment.since is not None and instant_of(commitment.since, zone) >= end_us
        is_late = commitment.until is not None and instant_of(commitment.until, zone) <= cycle_us
        return not is_early and not is_late

    def _counting(self, commitment: Commitment) -> Callable[[_Place], bool]:
        cycles = {cycle_us: self._is_in(commitment, cycle_us) for _, cycle_us in self._open}

        def counts(place: _Place) -> bool:
            return cycles[place[1]] and (not commitment.products or place[0] in commitment.products)

        return counts

    def _lines(self, role: Role, name: str, *, of_all: bool = False) -> Iterator[InvoiceLine]:
        for each in self._past:
            if of_all or each.invoice.subscription == self._account.name:
                yield from (line for line in each.invoice.lines if (line.line.role, line.line.name) == (role, name))

    def _has(self, role: Role, name: str) -> bool:
        return next(self._lines(role, name), None) is not None

    def _quantity(self, role: Role, name: str) -> Decimal:
        return total(each.line.quantity or _NONE for each in self._lines(role, name))

    def _amount(self, role: Role, name: str, *, of_all: bool = False) -> Decimal:
        return total(each.amount for each in self._lines(role, name, of_all=of_all))

    def _coins(self, amount: Decimal) -> Decimal:
        """What of an amount can be paid: a part of a coin cannot."""
        with exact():
            return amount // minor_unit(self._currency) * minor_unit(self._currency)

    def _payable(self, wanted: Callable[[_Place], bool]) -> Decimal:
        return total(amount for place, amount in self._open.items() if wanted(place))

    def _pay(self, wanted: Callable[[_Place], bool], amount: Decimal) -> None:
        """Take what is paid off what it is for, in order; what is given back, less than 0, is added to the first."""
        with exact():
            for place, still in self._open.items():
                if wanted(place) and (still > 0 or amount < 0):
                    paid = min(still, amount)
                    self._open[place] = still - paid
                    amount -= paid
            self._besides -= amount

    def _add(self, role: Role, name: str, amount: Decimal, quantity: Decimal | None = None) -> None:
        line = Line(role, "", "", name, name, self._cycle.period, amount, amount, quantity=quantity)
        self.made.append(InvoiceLine(line, self._cycle.period.start_us, amount))
        if role in ("commitment", "overage"):
            with exact():
                self._besides += amount
