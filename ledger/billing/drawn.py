"""What a price is given of one plan in a cycle: usage of a meter, what was held, or the time itself, with the share of a whole period that it is for.

What goes by time is cut where it changed: ten seats until the tenth and twelve from then on are two pieces, each with its share. Usage is not: its
quantity is of the time already, and what a pause cuts apart is added up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ledger.billing.cycles import Account, Cycle, Part, Stretch
from ledger.billing.period import Period
from ledger.directory.price import Price
from ledger.directory.tenant import Tenant
from ledger.metering.usage import Usage
from ledger.rating.model import Model, Piece, Used
from ledger.schema.decimals import total
from ledger.schema.moments import instant_of

if TYPE_CHECKING:
    from ledger.billing.charging import Known

_NONE = Decimal(0)
_WHOLE = Fraction(1)


@dataclass(frozen=True)
class Entries:
    """The entries of the book that a quantity is the sum of: how many, and the first and last position."""

    count: int
    first: int
    last: int


class Drawn(NamedTuple):
    """What a model is given, and of what it is; a tuple, as lines are. ``quantity`` is what there was, ``included`` the part of it that costs nothing."""

    used: Used
    period: Period
    share: Fraction
    quantity: Decimal
    unit: str = ""
    included: Decimal = _NONE
    observed_us: int = 0
    expected_us: int = 0
    estimated: Decimal = _NONE
    entries: Entries | None = None
    #: The share of a whole billing period that an allowance is for; what is held is included whole at every moment.
    allowed: Fraction = Fraction(1)


def drawn(account: Account, cycle: Cycle, stretch: Stretch, known: Known, price: Price, model: Model) -> list[Drawn]:
    """What a price is given, in order of time. Raises ValueError where a meter has several units, CostUnknown."""
    if price.meter is not None:
        return [_metered(stretch, known, price, model)]
    if model.of == "cost":
        currency = stretch.plan.currency
        cost = total(known.cost(each.start_us, each.end_us, currency) for each in stretch.periods)
        return [Drawn(Used(cost), stretch.period, Fraction(1), cost, currency)]
    if price.times == "once":
        return [_first(account, stretch, price)]
    return _joined([each for part in stretch.parts for each in _in_force(account, cycle, part, price, model)])


def _metered(stretch: Stretch, known: Known, price: Price, model: Model) -> Drawn:
    used = _used(stretch, known)
    assert price.meter is not None
    rows = _wanted(used, price.meter, price)
    if len(rows) == 1 and not (model.by_dimensions or model.meters()):
        # Nearly all usage is one row, of which nothing has to be added up.
        return _single(stretch, rows[0])
    units = {row.unit for row in rows}
    if len(units) > 1:
        raise ValueError(
            f"usage of meter {price.meter!r} has several units, {', '.join(sorted(units))}, and cannot be added up"
        )
    quantity = total(row.quantity for row in rows)
    return Drawn(
        Used(
            quantity,
            tuple(Piece(json.loads(row.dimensions), row.quantity) for row in rows) if model.by_dimensions else (),
            {meter: total(row.quantity for row in _wanted(used, meter, price)) for meter in model.meters()},
        ),
        stretch.period,
        Fraction(1),
        quantity,
        next(iter(units), ""),
        observed_us=sum(row.observed_us for row in rows),
        expected_us=sum(row.expected_us for row in rows),
        estimated=total(row.estimated for row in rows),
        entries=_entries(rows),
        allowed=stretch.share,
    )


def _single(stretch: Stretch, row: Usage) -> Drawn:
    return Drawn(
        Used(row.quantity),
        stretch.period,
        _WHOLE,
        row.quantity,
        row.unit,
        _NONE,
        row.observed_us,
        row.expected_us,
        row.estimated,
        Entries(row.entries, row.first, row.last) if row.entries else None,
        stretch.share,
    )


def _used(stretch: Stretch, known: Known) -> Mapping[str, Sequence[Usage]]:
    """Usage by meter; what a pause cuts apart is put together."""
    if len(stretch.periods) == 1:
        return known.used(stretch.periods[0].start_us, stretch.periods[0].end_us)
    parts = [known.used(period.start_us, period.end_us) for period in stretch.periods]
    return {meter: [row for part in parts for row in part.get(meter, ())] for part in parts for meter in part}


def _entries(rows: Sequence[Usage]) -> Entries | None:
    booked = [row for row in rows if row.entries]
    if not booked:
        return None
    first, last = min(row.first for row in booked), max(row.last for row in booked)
    return Entries(sum(row.entries for row in booked), first, last)


def _wanted(used: Mapping[str, Sequence[Usage]], meter: str, price: Price) -> Sequence[Usage]:
    """The usage of a meter that a price is for: ``where`` holds for all that its model goes by, the events beside the amounts."""
    rows = used.get(meter, ())
    return [row for row in rows if _is_wanted(row, price)] if price.where else rows


def _is_wanted(row: Usage, price: Price) -> bool:
    dimensions = json.loads(row.dimensions)
    return all(dimensions.get(name) in values for name, values in price.where.items())


def _first(account: Account, stretch: Stretch, price: Price) -> Drawn:
    """What is charged once: whole, whatever part of a billing period it falls into."""
    attributes = _attributes(account, stretch.period.start_us)
    return Drawn(Used(Decimal(1), (), {}, attributes), stretch.period, Fraction(1), Decimal(1), price.quantity or "")


def _in_force(account: Account, cycle: Cycle, part: Part, price: Price, model: Model) -> Iterator[Drawn]:
    """What was held, or the time, in pieces in which nothing about it changed."""
    held = [
        (instant_of(each.since, account.zone), each.quantity)
        for each in account.subscription.holdings
        if each.name == price.quantity
    ]
    cuts = {part.period.start_us, part.period.end_us}
    cuts.update(since_us for since_us, _ in held if part.period.holds(since_us))
    if model.by_attributes:
        tenants = account.catalog.versions("tenant", account.tenant)
        cuts.update(each.effective_from_us for each in tenants if part.period.holds(each.effective_from_us))
    for start_us, end_us in pairwise(sorted(cuts)):
        if part.plan.proration == "none":
            share = part.share if start_us == part.period.start_us else Fraction(0)
        else:
            share = account.share(cycle, part.plan, start_us, end_us)
        quantity = _held_at(held, start_us) if price.quantity is not None else Decimal(1)
        attributes = _attributes(account, start_us) if model.by_attributes else {}
        used = Used(quantity, (), {}, attributes)
        yield Drawn(used, Period(start_us, end_us), share, quantity, price.quantity or "")


def _joined(pieces: Sequence[Drawn]) -> list[Drawn]:
    """The pieces for which anything is charged; those that follow each other and differ in nothing are one, and rounded as one."""
    found: list[Drawn] = []
    for each in pieces:
        last = found[-1] if found else None
        if last is not None and last.used == each.used and last.period.end_us == each.period.start_us:
            period = Period(last.period.start_us, each.period.end_us)
            found[-1] = last._replace(period=period, share=last.share + each.share)
        else:
            found.append(each)
    return [each for each in found if each.share]


def _held_at(held: Sequence[tuple[int, Decimal]], at_us: int) -> Decimal:
    # Of several that begin at one instant the one that is written last counts.
    found = max(
        ((since_us, place, quantity) for place, (since_us, quantity) in enumerate(held) if since_us <= at_us),
        default=None,
    )
    return _NONE if found is None else found[2]


def _attributes(account: Account, at_us: int) -> dict[str, str]:
    found = account.catalog.get("tenant", account.tenant, at_us)
    return dict(found.spec.attributes) if found is not None and isinstance(found.spec, Tenant) else {}
