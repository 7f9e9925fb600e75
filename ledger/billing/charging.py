"""What one cycle of a subscription is charged, as the book knows it: every price's lines, discounts, minimums and maximums.

Nothing here asks what was invoiced before. The same book gives the same lines, so the difference of two of them is what a correction is worth.

The way of one price of a plan through a cycle: what is charged (usage, or what was held, cut where that changed) ->
less what is included -> the model's lines -> in proportion to time, where it goes by time -> rounded, once -> discounts, the price's first, then its
product's, then those of the whole plan -> up to the minimum or down to the maximum of the price. Products and plan are bounded last.

All that one plan is charged in a cycle is taken together, also where a pause cuts it apart: its tiers, allowances, discounts, minimums and maximums are for
the billing period. Two plans in one cycle, before and after a move, are charged each for itself. Minimums, and discounts of an amount, are in proportion to time. So are
maximums, but not without proration, where they are whole for each plan: a cap of nothing would give away what was used.

A discount is taken off exact amounts and then rounded like any line; it never takes more than what is there. A minimum or a maximum is set against lines
as they are invoiced, so that the sum on paper is the minimum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from ledger.billing.allowance import Carried, kept, take
from ledger.billing.cycles import Account, Cycle, Part, Stretch, stretches
from ledger.billing.drawn import Drawn, Entries, drawn
from ledger.billing.period import Period
from ledger.directory.agreement import Override
from ledger.directory.price import Bounded, Price
from ledger.metering.usage import Usage
from ledger.rating.model import Model, RatedLine
from ledger.rating.models import name_of
from ledger.rating.rounding import Amount, round_exact, summed
from ledger.schema.decimals import exact, total

Role = Literal["charge", "discount", "minimum", "maximum", "commitment", "overage", "draw-down", "credit"]


class Known(Protocol):
    """What the book knows of one tenant."""

    def used(self, start_us: int, end_us: int) -> Mapping[str, Sequence[Usage]]:
        """Usage by meter, of the hours that begin in the range."""

    def cost(self, start_us: int, end_us: int, currency: str) -> Decimal:
        """What serving the tenant cost, in a currency. Raises CostUnknown."""


class Line(NamedTuple):
    """One line of what is charged; a tuple, because thousands of invoices are made of hundreds of thousands of them.

    ``product``, ``price`` and ``name`` say together what it is for, and are what the same line of another invoice is told by; ``name`` is that of a
    discount, commitment or credit. ``details`` are the model's pieces, their amounts exact and for a whole period; ``exact`` is the amount before it
    was rounded. ``expected_us`` is 0 where nothing was to be observed. ``entries`` are those that the quantity is the sum of, of usage ``where`` the
    dimensions have one of these values; None where nothing of it is booked.
    """

    role: Role
    product: str
    price: str
    name: str
    title: str
    period: Period
    amount: Decimal
    exact: Amount
    meter: str = ""
    model: str = ""
    unit: str = ""
    quantity: Decimal | None = None
    included: Decimal = Decimal(0)
    details: tuple[RatedLine, ...] = ()
    observed_us: int = 0
    expected_us: int = 0
    estimated: Decimal = Decimal(0)
    entries: Entries | None = None
    where: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is told by."""
        return self.role, self.product, self.price, self.name


@dataclass(frozen=True)
class Charged:
    """The lines of a cycle, what of the allowances is carried on, and what a reader of them should know."""

    lines: tuple[Line, ...]
    carried: Mapping[str, Carried]
    notes: tuple[str, ...] = ()


def charge(
    account: Account,
    cycle: Cycle,
    known: Known,
    carried: Mapping[str, Carried],
    *,
    is_advance: bool = False,
) -> Charged:
    """The lines of a cycle; with ``is_advance`` only those that are billed before it begins, without bounds of products and plan.

    ``carried`` is what earlier cycles left of the allowances, by price. Raises NoPrice, CostUnknown, Unpriced.
    """
    lines: list[Line] = []
    left: dict[str, Carried] = {}
    parts = account.parts(cycle)
    for stretch in stretches(parts):
        found = _Charging(account, cycle, stretch, known, {**carried, **left}, is_advance=is_advance)
        lines += found.lines()
        left.update(found.left)
    notes = [] if is_advance else [note for part in parts if part.free for note in _unbilled(part, known)]
    return Charged(tuple(lines), _carried_on(parts, carried, left), tuple(notes))


def _carried_on(
    parts: Sequence[Part], carried: Mapping[str, Carried], left: Mapping[str, Carried]
) -> Mapping[str, Carried]:
    """What is left of the allowances of the plans that held in a cycle, whether they were charged or paused."""
    found: dict[str, Carried] = {}
    for part in parts:
        for price, included in part.plan.allowances.items():
            lots = left.get(price, carried.get(price))
            if lots is not None:
                found[price] = kept(lots, included)
    return {name: lots for name, lots in found.items() if lots.lots}


def _unbilled(part: Part, known: Known) -> list[str]:
    used = known.used(part.period.start_us, part.period.end_us)
    return [
        f"{part.free}, {part.period}: {total(row.quantity for row in used[meter]):f} of {meter!r} is not charged"
        for meter in sorted(part.plan.meters)
        if any(row.quantity for row in used.get(meter, ()))
    ]


@dataclass
class _Charging:
    """The lines of one plan in a cycle."""

    account: Account
    cycle: Cycle
    stretch: Stretch
    known: Known
    carried: Mapping[str, Carried]
    is_advance: bool

    def __post_init__(self) -> None:
        self.left: dict[str, Carried] = {}
        self.plan = self.stretch.plan
        self.currency = self.plan.currency
        at_us = self.stretch.period.start_us
        self.overrides: dict[tuple[str | None, str | None], list[Override]] = {}
        for each in self.account.subscription.overrides:
            if self.account.holds(each.since, each.until, at_us):
                self.overrides.setdefault((each.product, each.price), []).append(each)
        first_us = self.account.first_charged(self.stretch.plan_name)
        self.is_first = first_us is not None and self.stretch.period.holds(first_us)

    def lines(self) -> list[Line]:
        """Every line, in the order of the plan."""
        found: list[Line] = []
        for product in self.plan.offer:
            of_product: list[Line] = []
            for price in product.prices:
                if (self.is_advance and price.billed != "advance") or (price.times == "once" and not self.is_first):
                    continue
                lines = self._price(product.name, price)
                of_product += self._bounded(lines, price, self._share(price), product.name, price.name, price.shown)
            share = self.stretch.share
            of_product += self._discounts(of_product, share, product.name, "", self._of(product=product.name))
            if not self.is_advance:
                of_product = self._bounded(of_product, product, share, product.name, "", product.shown)
            found += of_product
        found += self._discounts(found, self.stretch.share, "", "", self._of())
        return found if self.is_advance else self._bounded(found, self.plan, self.stretch.share, "", "", "")

    def _share(self, price: Price) -> Fraction:
        """The share of a whole billing period that amounts of a price are for."""
        return Fraction(1) if price.times == "once" else self.stretch.share

    def _of(self, *, product: str | None = None, price: str | None = None) -> Sequence[Override]:
        return self.overrides.get((product, price), ())

    def _price(self, product: str, price: Price) -> list[Line]:
        overrides = self._of(price=price.name)
        model: Model = next((each.charge for each in overrides if each.charge is not None), price.charge)
        made = [self._line(product, price, model, each) for each in self._drawn(price, model)]
        lines = [line for line in made if line is not None]
        return lines + self._discounts(lines, self._share(price), product, price.name, overrides)

    def _drawn(self, price: Price, model: Model) -> list[Drawn]:
        found = drawn(self.account, self.cycle, self.stretch, self.known, price, model)
        if price.included is None:
            return found
        carried = self.carried.get(price.name, Carried()) if price.meter is not None else Carried()
        given: list[Drawn] = []
        for each in found:
            each, left = take(each, price.included, carried, self.cycle.period.start_us)
            given.append(each)
            if price.meter is not None:
                self.left[price.name] = left
        return given

    def _line(self, product: str, price: Price, model: Model, given: Drawn) -> Line | None:
        details = model.rate(given.used)
        is_counted = price.meter is not None or price.quantity is not None
        if not details and not (is_counted and (given.quantity or given.expected_us)):
            return None
        whole = total(each.amount for each in details)
        amount: Amount = whole if given.share == 1 else Fraction(whole) * given.share
        return Line(
            role="charge",
            product=product,
            price=price.name,
            name="",
            title=price.shown,
            period=given.period,
            amount=round_exact(amount, self.currency),
            exact=amount,
            meter=price.meter or "",
            model=name_of(model),
            unit=given.unit,
            quantity=given.quantity,
            included=given.included,
            details=details,
            observed_us=given.observed_us,
            expected_us=given.expected_us,
            estimated=given.estimated,
            entries=given.entries,
            where=price.where,
        )

    def _discounts(
        self, lines: Sequence[Line], share: Fraction, product: str, price: str, overrides: Iterable[Override]
    ) -> list[Line]:
        found: list[Line] = []
        for each in overrides:
            if each.charge is not None:
                continue
            exact_left = summed(line.exact for line in (*lines, *found))
            left = total(line.amount for line in (*lines, *found))
            off = min(self._off(each, lines, share, exact_left), exact_left)
            # Who is let off everything pays nothing, however the lines were rounded.
            amount = left if off == exact_left else min(round_exact(off, self.currency), left)
            if amount > 0:
                found.append(self._made("discount", product, price, each.name, each.name, amount.copy_negate(), -off))
        return found

    def _off(self, override: Override, lines: Sequence[Line], share: Fraction, left: Fraction) -> Fraction:
        """What an override takes off, exact."""
        if override.amount is not None:
            return Fraction(override.amount) * share
        if override.percent is not None and override.tier is None:
            return left * Fraction(override.percent) / 100
        # What is taken off per unit or per tier is taken off the pieces that the model made, in proportion to time as they were.
        off = Fraction(0)
        for line in lines:
            whole = total(piece.amount for piece in line.details)
            for piece in line.details:
                if override.tier in (None, piece.tier):
                    taken = _off_piece(override, piece)
                    off += taken * Fraction(line.exact) / Fraction(whole) if whole else 0
        return off

    def _bounded(
        self, lines: list[Line], bounds: Bounded, share: Fraction, product: str, price: str, title: str
    ) -> list[Line]:
        """The lines, and one that raises their sum to the minimum or lowers it to the maximum."""
        if bounds.minimum is None and bounds.maximum is None:
            return lines
        charged = total(line.amount for line in lines)
        of_roles: tuple[tuple[Role, Decimal | None], ...] = (("minimum", bounds.minimum), ("maximum", bounds.maximum))
        for role, bound in of_roles:
            if bound is None:
                continue
            is_whole = share == 1 or (role == "maximum" and self.plan.proration == "none")
            limit = round_exact(bound if is_whole else Fraction(bound) * share, self.currency)
            if (charged < limit) if role == "minimum" else (charged > limit):
                with exact():
                    missing = limit - charged
                return [*lines, self._made(role, product, price, "", title, missing, missing)]
        return lines

    def _made(
        self, role: Role, product: str, price: str, name: str, title: str, amount: Decimal, exact_amount: Amount
    ) -> Line:
        return Line(role, product, price, name, title, self.stretch.period, amount, exact_amount)


def _off_piece(override: Override, piece: RatedLine) -> Fraction:
    if override.percent is not None:
        return Fraction(piece.amount) * Fraction(override.percent) / 100
    assert override.per_unit is not None
    if piece.unit_price is None:
        return min(Fraction(piece.quantity) * Fraction(override.per_unit), Fraction(piece.amount))
    # What a tier is charged once is no price of a unit.
    return Fraction(piece.quantity) * min(Fraction(override.per_unit), Fraction(piece.unit_price))
