"""Drafts: a pure function of a subscription, what the book knows, and the invoices that were finalized before.

An invoice is the difference between what is due and what was invoiced. Due with the invoice of a cycle is all that the cycle is charged, and what is billed in
advance for the next one. What was billed in advance is taken back by the invoice of its own cycle, which charges what it came to: seats that were added
meanwhile are made up for. And for every cycle that was finalized before it is asked once more what it should have been: late usage, an amended event, a corrected price or a
back-dated change of plan become lines that name the period and the invoice that they correct. What is finalized is never changed.

Billing periods are told by their beginning. Where a back-dated change moved it, what was invoiced for the old one is taken back, and what begins elsewhere now has
an invoice of its own to come. Allowances that are carried on are followed from the first cycle as the book has it now, so late usage that would have used one up is charged where
it was used for something else since.

Cycles that should have been invoiced before and were not are drafted on the way where anything is carried from one cycle to the next, so the draft of a
cycle says what it will be once those before it have been finalized as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from ledger.billing.allowance import Carried
from ledger.billing.charging import Charged, Known, Line, charge
from ledger.billing.cycles import Account, Cycle
from ledger.billing.invoice import Finalized, Invoice, InvoiceLine
from ledger.billing.parties import parties_at
from ledger.billing.period import Period
from ledger.billing.settling import Grant, settled
from ledger.directory.plan import Plan
from ledger.directory.price import Price
from ledger.schema.decimals import exact, total

Key = tuple[str, str, str, str]
_DUE_ROLES = frozenset({"charge", "discount", "minimum", "maximum"})


class Book(Known, Protocol):
    """What the book knows of one tenant, and since when."""

    def moved(self, start_us: int, end_us: int, since: int) -> bool:
        """Whether what is known of the range may be another than it was at position ``since``; True where that is not known."""


@dataclass
class _Given:
    """What each cycle is given of allowances, by its beginning, and the first cycle of which it is another now than when it was invoiced."""

    carried: dict[int, Mapping[str, Carried]] = field(default_factory=dict)
    moved_us: int | None = None

    def of(self, cycle: Cycle) -> Mapping[str, Carried]:
        return self.carried.get(cycle.period.start_us, {})

    def is_same(self, start_us: int) -> bool:
        return self.moved_us is None or start_us <= self.moved_us


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
        given = self._given(cycle.period.start_us)
        return self._made(cycle, [*self.past, *self._virtual(cycle, given)], given, is_corrected=True)

    def opening(self) -> Invoice | None:
        """What is billed in advance for the first cycle, before it begins; None where nothing is."""
        first = self.account.cycle_at(self.account.bounds[0])
        if first is None or not _has_advance(self.account, first):
            return None
        own = self._own(self.past)
        if first.period.start_us in _closed(own):
            # Its own invoice has all of it, and what else the cycle was charged is not to be taken back.
            return None
        ahead = charge(self.account, first, self.book, {}, is_advance=True)
        lines = list(_less_invoiced(first, ahead.lines, own))
        if not lines:
            return None
        currency = self.account.parts(first)[0].plan.currency
        lines += settled(self.account, first, lines, self.past, self.grants, currency)
        # It is made out for the moment before the cycle begins.
        none_of_it = replace(first.period, end_us=first.period.start_us)
        made = self._invoice(first, none_of_it, tuple(lines), Charged((), {}))
        return replace(made, basis="opening")

    def due(self, cycle: Cycle) -> Invoice:
        """What a cycle is charged by itself, whatever was invoiced, promised or granted."""
        charged = charge(self.account, cycle, self.book, self._given(cycle.period.start_us).of(cycle))
        lines = tuple(InvoiceLine(line, cycle.period.start_us, line.amount) for line in charged.lines)
        return self._invoice(cycle, cycle.period, lines, charged)

    def corrections(self) -> Invoice | None:
        """What the finalized invoices should have been besides what they are, as an invoice of its own; None where that is nothing."""
        own = self._own(self.past)
        closed = _closed(own)
        if not closed:
            return None
        of = max((each.invoice for each in closed.values()), key=lambda each: each.billed.start_us)
        lines = list(self._corrected(None, own, self._given(of.billed.start_us)))
        if not lines:
            return None
        lines += settled(self.account, Cycle(of.period, of.billed), lines, self.past, self.grants, of.currency)
        return replace(of, as_of=self.as_of, lines=tuple(lines), notes=(), basis="correction")

    def _given(self, last_us: int) -> _Given:
        """What each cycle up to the one at ``last_us``, and all that were finalized, are given of what was carried on, as the book has it now."""
        given, carried = _Given(), dict[str, Carried]()
        if not carries(self.account):
            return given
        closed, each = _closed(self._own(self.past)), self.account.cycle_at(self.account.bounds[0])
        last_us = max([last_us, *closed])
        while each is not None and each.period.start_us <= last_us:
            given.carried[each.period.start_us] = carried
            if each.period.end_us > last_us:
                break
            last = closed.get(each.period.start_us)
            if given.moved_us is None and last is not None and self._is_as_it_was(each, last, last.invoice.as_of):
                left = last.invoice.carried
            else:
                # What follows from another beginning is another, too.
                given.moved_us = each.period.start_us if given.moved_us is None else given.moved_us
                left = charge(self.account, each, self.book, carried).carried
            carried = {price: lots.into_next() for price, lots in left.items()}
            each = self.account.after(each)
        return given

    def _is_as_it_was(self, cycle: Cycle, closed: Finalized, since: int) -> bool:
        if any(price.charge.of == "cost" for price in _prices(self.account)):
            # What serving cost depends on what everybody used.
            return False
        return cycle.period == closed.invoice.billed and not self.book.moved(
            cycle.period.start_us, cycle.period.end_us, since
        )

    def _virtual(self, cycle: Cycle, given: _Given) -> list[Finalized]:
        """Drafts of the cycles before this one that nobody finalized."""
        made: list[Finalized] = []
        for each in self._left_out(cycle):
            made.append(Finalized("", 0, self._made(each, [*self.past, *made], given, is_corrected=False)))
        return made

    def _left_out(self, cycle: Cycle) -> list[Cycle]:
        """The cycles before this one that nobody finalized, where they matter to it, in order."""
        if not remembers(self.account):
            return []
        done = _closed(self._own(self.past))
        found: list[Cycle] = []
        before = self.account.before(cycle)
        while before is not None and before.period.start_us not in done:
            found.append(before)
            before = self.account.before(before)
        return found[::-1]

    def _own(self, past: Sequence[Finalized]) -> list[Finalized]:
        return [each for each in past if each.invoice.subscription == self.account.name]

    def _made(self, cycle: Cycle, past: Sequence[Finalized], given: _Given, *, is_corrected: bool) -> Invoice:
        own = self._own(past)
        charged = charge(self.account, cycle, self.book, given.of(cycle))
        lines = list(_less_invoiced(cycle, charged.lines, own))
        after = self.account.after(cycle) if _bills_ahead(self.account) else None
        # What has an invoice of its own is not billed in advance any more.
        if after is not None and after.period.start_us not in _closed(own) and _has_advance(self.account, after):
            ahead = charge(self.account, after, self.book, {}, is_advance=True)
            lines += _less_invoiced(after, ahead.lines, own)
        if is_corrected:
            lines += self._corrected(cycle, own, given)
        currency = self.account.parts(cycle)[0].plan.currency
        lines += settled(self.account, cycle, lines, past, self.grants, currency)
        done = _closed(own).get(cycle.period.start_us)
        if done is not None and done.invoice.billed == cycle.period:
            told = f"{done.id} was finalized for this billing period; what it should have been besides comes with the next one"
            charged = replace(charged, notes=(*charged.notes, told))
        return self._invoice(cycle, cycle.period, tuple(lines), charged)

    def _invoice(self, cycle: Cycle, billed: Period, lines: tuple[InvoiceLine, ...], charged: Charged) -> Invoice:
        part = self.account.parts(cycle)[0]
        seller, customer, paper = parties_at(self.account, billed.end_us)
        return Invoice(
            as_of=self.as_of,
            tenant=self.account.tenant,
            subscription=self.account.name,
            plan=part.plan_name,
            plan_version=part.plan_version,
            period=cycle.whole,
            billed=billed,
            currency=part.plan.currency,
            lines=lines,
            carried=charged.carried,
            notes=charged.notes,
            seller=seller,
            customer=customer,
            paper=paper,
        )

    def _corrected(self, present: Cycle | None, own: Sequence[Finalized], given: _Given) -> Iterator[InvoiceLine]:
        """What the cycles that were invoiced before should have been, less what they were."""
        closed = _closed(own)
        if not closed:
            return
        # What is billed before the first cycle corrects nothing.
        newest = max(each.invoice.as_of for each in own if each.id and each.invoice.basis != "opening")
        ends = [each.invoice.billed.end_us for each in closed.values()]
        # What ends later is not due yet: where it was invoiced as something shorter, that is taken back until it is.
        horizon_us = max(ends) if present is None else max(*ends, present.period.start_us)
        for start_us, identity in _billed(own).items():
            if present is not None and start_us == present.period.start_us:
                continue
            cycle = self.account.cycle_at(start_us)
            if cycle is not None and cycle.period.start_us != start_us:
                cycle = None
            if cycle is not None and start_us not in closed:
                # So far it was only billed in advance: its own invoice makes up for that.
                continue
            if cycle is not None and given.is_same(start_us) and self._is_as_it_was(cycle, closed[start_us], newest):
                continue
            is_due = cycle is not None and cycle.period.end_us <= horizon_us
            lines = (
                charge(self.account, cycle, self.book, given.of(cycle)).lines if cycle is not None and is_due else ()
            )
            yield from _differences(start_us, identity, lines, own)


def remembers(account: Account) -> bool:
    """Whether the invoice of a cycle depends on those of the cycles before it."""
    return bool(account.subscription.commitments) or _bills_ahead(account)


def _bills_ahead(account: Account) -> bool:
    """Whether any version of its plans bills anything in advance."""
    return any(plan.bills_ahead for plan in _plans(account))


def carries(account: Account) -> bool:
    """Whether anything of an allowance is carried from one cycle to the next."""
    return any(plan.carries for plan in _plans(account))


def _prices(account: Account) -> Iterator[Price]:
    for plan in _plans(account):
        yield from (price for _, price in plan.prices())


def _plans(account: Account) -> Iterator[Plan]:
    """Every version of the plans that the subscription has, or had."""
    names = {account.subscription.plan, *(move.plan for move in account.subscription.moves)}
    for name in sorted(names):
        for version in account.catalog.versions("plan", name):
            if isinstance(version.spec, Plan):
                yield version.spec


def _has_advance(account: Account, cycle: Cycle) -> bool:
    return any(part.plan.bills_ahead for part in account.parts(cycle))


def _closed(own: Iterable[Finalized]) -> dict[int, Finalized]:
    """The last invoice of each cycle that was finalized, by the beginning of the cycle."""
    return {each.invoice.billed.start_us: each for each in own if each.id and each.invoice.basis == "cycle"}


def _billed(own: Iterable[Finalized]) -> dict[int, str]:
    """The beginnings of the cycles of which anything was invoiced, in order of time, each with the id of the first invoice with it."""
    found: dict[int, str] = {}
    for each in own:
        if each.id:
            if each.invoice.basis == "cycle":
                # What a cycle should have been is told of its own invoice, also where some of it was billed before.
                found[each.invoice.billed.start_us] = each.id
            for line in each.invoice.lines:
                if line.line.role in _DUE_ROLES:
                    found.setdefault(line.cycle_us, each.id)
    return dict(sorted(found.items()))


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
        if key in before and total(line.amount for line in found) == invoiced:
            continue
        yield from (InvoiceLine(line, cycle.period.start_us, line.amount) for line in found)
        if invoiced:
            like = found[0] if found else before[key][0].line
            yield _taken_back(like, cycle.period.start_us, invoiced)


def _taken_back(like: Line, cycle_us: int, invoiced: Decimal) -> InvoiceLine:
    back = invoiced.copy_negate()
    bare = Line(like.role, like.product, like.price, like.name, like.title, like.period, back, back)
    return InvoiceLine(bare, cycle_us, back, invoiced)


def _differences(start_us: int, id: str, lines: Sequence[Line], own: Sequence[Finalized]) -> Iterator[InvoiceLine]:
    """A line for each thing of an earlier cycle that is another now than it was invoiced."""
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
        # Of several the one that is another now; where none is, the last stands for all.
        same = {(each.line.period, each.line.amount) for each in was}
        like = next(
            (line for line in found if (line.period, line.amount) not in same), found[-1] if found else was[-1].line
        )
        yield InvoiceLine(like._replace(amount=amount, exact=amount), start_us, amount, invoiced, id)
