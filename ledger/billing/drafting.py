"""Drafts: a pure function of a subscription, what the book knows, and the invoices that were finalized before.

An invoice is the difference between what is due and what was invoiced. Due with the invoice of a cycle is all that the cycle is charged, and what is billed in
advance for the next one. What was billed in advance is taken back by the invoice of its own cycle, which charges what it came to: seats that were added
meanwhile are made up for. And for every cycle that was finalized before it is asked once more what it should have been: late usage, an amended event, a corrected price or a
back-dated change of plan become lines that name the period and the invoice that they correct. What is finalized is never changed.

Cycles that should have been invoiced before and were not are drafted on the way where anything is carried from one cycle to the next, so the draft of a
cycle says what it will be once those before it have been finalized as they stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from ledger.billing.allowance import Carried
from ledger.billing.charging import Charged, Known, Line, charge
from ledger.billing.cycles import Account, Cycle
from ledger.billing.invoice import Finalized, Invoice, InvoiceLine
from ledger.billing.parties import parties_at
from ledger.billing.settling import Grant, settled
from ledger.schema.decimals import exact, total

Key = tuple[str, str, str, str]
_DUE_ROLES = frozenset({"charge", "discount", "minimum", "maximum"})


class Book(Known, Protocol):
    """What the book knows of one tenant, and since when."""

    def moved(self, start_us: int, end_us: int, since: int) -> bool:
        """Whether what is known of the range may be another than it was at position ``since``; True where that is not known."""


@dataclass(frozen=True)
class Desk:
    """All that drafts of one subscription are made of. ``past`` are the tenant's finalized invoices, oldest first; ``as_of`` is the book's position."""

    account: Account
    book: Book
    past: Sequence[Finalized]
    grants: Sequence[Grant]
    as_of: int

    def draft(self, cycle: Cycle) -> Invoice:
        """The invoice of a cycle. Raises NoPrice, CostUnknown, Unpriced, ValueError for usage of several units."""
        return self._made(cycle, [*self.past, *self._virtual(cycle, self.past)], is_corrected=True)

    def due(self, cycle: Cycle) -> Invoice:
        """What a cycle is charged by itself, whatever was invoiced, promised or granted."""
        before = [*self._own(self.past), *self._virtual(cycle, self.past)]
        earlier = [each for each in before if each.invoice.billed.start_us < cycle.period.start_us]
        charged = charge(self.account, cycle, self.book, _carried(earlier))
        lines = tuple(InvoiceLine(line, cycle.period.start_us, line.amount) for line in charged.lines)
        return self._invoice(cycle, lines, charged)

    def corrections(self) -> Invoice | None:
        """What the finalized invoices should have been besides what they are, as an invoice of its own; None where that is nothing."""
        own = self._own(self.past)
        if not own:
            return None
        lines = list(self._corrected(None, own))
        return replace(own[-1].invoice, as_of=self.as_of, lines=tuple(lines), notes=()) if lines else None

    def _virtual(self, cycle: Cycle, past: Sequence[Finalized]) -> list[Finalized]:
        """Drafts of the cycles before this one that nobody finalized."""
        made: list[Finalized] = []
        for each in self._left_out(cycle):
            made.append(Finalized("", 0, self._made(each, [*past, *made], is_corrected=False)))
        return made

    def _left_out(self, cycle: Cycle) -> list[Cycle]:
        """The cycles before this one that nobody finalized, where they matter to it, in order."""
        if not remembers(self.account):
            return []
        done = {each.invoice.billed.start_us for each in self._own(self.past)}
        found: list[Cycle] = []
        before = self.account.before(cycle)
        while before is not None and before.period.start_us not in done:
            found.append(before)
            before = self.account.before(before)
        return found[::-1]

    def _own(self, past: Sequence[Finalized]) -> list[Finalized]:
        return [each for each in past if each.invoice.subscription == self.account.name]

    def _made(self, cycle: Cycle, past: Sequence[Finalized], *, is_corrected: bool) -> Invoice:
        own = self._own(past)
        charged = charge(self.account, cycle, self.book, _carried(own))
        lines = list(_less_invoiced(cycle, charged.lines, own))
        after = self.account.after(cycle)
        if after is not None and _has_advance(self.account, after):
            ahead = charge(self.account, after, self.book, {}, is_advance=True)
            lines += _less_invoiced(after, ahead.lines, own)
        if is_corrected:
            lines += self._corrected(cycle, own)
        currency = self.account.parts(cycle)[0].plan.currency
        lines += settled(self.account, cycle, lines, past, self.grants, currency)
        return self._invoice(cycle, tuple(lines), charged)

    def _invoice(self, cycle: Cycle, lines: tuple[InvoiceLine, ...], charged: Charged) -> Invoice:
        part = self.account.parts(cycle)[0]
        seller, customer, paper = parties_at(self.account, cycle.period.end_us)
        return Invoice(
            as_of=self.as_of,
            tenant=self.account.tenant,
            subscription=self.account.name,
            plan=part.plan_name,
            plan_version=part.plan_version,
            period=cycle.whole,
            billed=cycle.period,
            currency=part.plan.currency,
            lines=lines,
            carried=charged.carried,
            notes=charged.notes,
            seller=seller,
            customer=customer,
            paper=paper,
        )

    def _corrected(self, present: Cycle | None, own: Sequence[Finalized]) -> Iterator[InvoiceLine]:
        """What the cycles that were finalized before should have been, less what they were."""
        seen: set[int] = set()
        for place, each in enumerate(own):
            start_us, end_us = each.invoice.billed.start_us, each.invoice.billed.end_us
            if not each.id or start_us in seen or (present is not None and start_us == present.period.start_us):
                continue
            seen.add(start_us)
            newest = max(other.invoice.as_of for other in own)
            if not self.book.moved(start_us, end_us, newest):
                continue
            cycle = self.account.cycle_at(start_us)
            carried = _carried(own[:place])
            lines = charge(self.account, cycle, self.book, carried).lines if cycle is not None else ()
            yield from _differences(each, lines, own)


def opening(desk: Desk) -> Invoice | None:
    """What is billed in advance for the first cycle, before it begins; None where nothing is."""
    first = desk.account.cycle_at(desk.account.bounds[0])
    if first is None or not _has_advance(desk.account, first):
        return None
    ahead = charge(desk.account, first, desk.book, {}, is_advance=True)
    lines = list(_less_invoiced(first, ahead.lines, desk._own(desk.past)))
    part = desk.account.parts(first)[0]
    seller, customer, paper = parties_at(desk.account, first.period.start_us)
    return Invoice(
        desk.as_of,
        desk.account.tenant,
        desk.account.name,
        part.plan_name,
        part.plan_version,
        first.whole,
        replace(first.period, end_us=first.period.start_us),
        part.plan.currency,
        tuple(lines),
        {},
        seller=seller,
        customer=customer,
        paper=paper,
    )


def remembers(account: Account) -> bool:
    """Whether what a cycle is charged depends on the cycles before it."""
    plans = [account.subscription.plan, *(move.plan for move in account.subscription.moves)]
    versions = [version.spec for name in plans for version in account.catalog.versions("plan", name)]
    prices = [price for plan in versions for _, price in plan.prices()]  # type: ignore[attr-defined]
    return bool(account.subscription.commitments) or any(
        price.billed == "advance" or (price.included is not None and price.included.rollover_periods)
        for price in prices
    )


def _has_advance(account: Account, cycle: Cycle) -> bool:
    return any(price.billed == "advance" for part in account.parts(cycle) for _, price in part.plan.prices())


def _carried(own: Sequence[Finalized]) -> Mapping[str, Carried]:
    """What the last invoice left of the allowances, as the next cycle can use it."""
    return {price: carried.into_next() for price, carried in own[-1].invoice.carried.items()} if own else {}


def _invoiced(own: Sequence[Finalized], cycle_us: int) -> dict[Key, list[InvoiceLine]]:
    found: dict[Key, list[InvoiceLine]] = {}
    for each in own:
        for line in each.invoice.lines:
            if line.cycle_us == cycle_us and line.line.role in _DUE_ROLES:
                found.setdefault(line.line.key, []).append(line)
    return found


def _less_invoiced(cycle: Cycle, lines: Sequence[Line], own: Sequence[Finalized]) -> Iterator[InvoiceLine]:
    """The lines of a cycle, and behind those of each thing what was invoiced of it before; nothing where that is the same."""
    before = _invoiced(own, cycle.period.start_us)
    if not before:
        yield from (InvoiceLine(line, cycle.period.start_us, line.amount) for line in lines)
        return
    due: dict[Key, list[Line]] = {key: [] for key in before}
    for line in lines:
        due.setdefault(line.key, []).append(line)
    for key, found in due.items():
        invoiced = total(each.amount for each in before.get(key, ()))
        if total(line.amount for line in found) == invoiced:
            continue
        yield from (InvoiceLine(line, cycle.period.start_us, line.amount) for line in found)
        if invoiced:
            like = found[0] if found else before[key][0].line
            yield _taken_back(like, cycle.period.start_us, invoiced)


def _taken_back(like: Line, cycle_us: int, invoiced: Decimal) -> InvoiceLine:
    back = invoiced.copy_negate()
    bare = Line(like.role, like.product, like.price, like.name, like.title, like.period, back, back)
    return InvoiceLine(bare, cycle_us, back, invoiced)


def _differences(of: Finalized, lines: Sequence[Line], own: Sequence[Finalized]) -> Iterator[InvoiceLine]:
    """A line for each thing of an earlier cycle that is another now than it was invoiced."""
    start_us = of.invoice.billed.start_us
    before = _invoiced(own, start_us)
    due: dict[Key, list[Line]] = {key: [] for key in before}
    for line in lines:
        due.setdefault(line.key, []).append(line)
    for key, found in due.items():
        was = before.get(key, [])
        with exact():
            invoiced = total(each.amount for each in was)
            amount = total(line.amount for line in found) - invoiced
        if not amount:
            continue
        like = found[-1] if found else was[-1].line
        yield InvoiceLine(replace(like, amount=amount, exact=amount), start_us, amount, invoiced, of.id)
