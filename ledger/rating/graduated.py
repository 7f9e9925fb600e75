"""Graduated tiers: each unit is charged at the price of the tier it falls into.

A tier covers the half-open range (end of the tier before, its own end]; the unit that exactly reaches an end is
still in the tier. With tiers up to 1000 at 0.002 and beyond at 0.001, a quantity of 1500 is 1000 x 0.002 and
500 x 0.001. Quantities need not be whole, and are cut at the ends exactly.

A quantity of zero, and one below zero, gives no lines. Below zero a total can only get by corrections that take
back more than the same period held; what they take back was charged, if at all, in another period, at that
period's tiers, and giving it back is an adjustment of that period's invoice. A negative line here would give it
back at a price that nobody was charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ledger.directory.decimals import exact
from ledger.directory.plan import Tier
from ledger.rating.rated import RatedLine


def rate(quantity: Decimal, tiers: Sequence[Tier]) -> tuple[RatedLine, ...]:
    """The lines of a quantity, one per tier that holds any of it, in rising order; they add up to it exactly.

    ``tiers`` rise and the last is open-ended, as :class:`~ledger.directory.plan.Charge` makes sure. Raises
    ``decimal.Inexact`` where a product would not fit 100 digits.
    """
    lines: list[RatedLine] = []
    lower = Decimal(0)
    with exact():
        for tier in tiers:
            if quantity <= lower:
                break
            upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
            held = upper - lower
            lines.append(RatedLine(held, tier.unit_price, held * tier.unit_price))
            lower = upper
    return tuple(lines)
