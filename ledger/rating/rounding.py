"""Rounding to coins, once, so that the parts still sum to the whole.

A single amount is rounded half-even to the currency's minor unit. Several lines of one charge cannot each be
rounded alone: eighty-one lines of 0.004 would become nothing where 0.32 is owed. So the exact sum is rounded,
and the lines share it by largest remainder: each gets its amount rounded down, and the coins that are then
still owed go one each to the lines that were cut most, the earlier line first where two were cut alike.

What follows, and the tests prove: the rounded lines sum to the rounded sum; every line is less than one coin
from its exact amount; a line that is exact to begin with is not touched, so a line of zero stays zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, Inexact

from ledger.directory.currency import minor_unit
from ledger.directory.decimals import exact, total


def round_amount(amount: Decimal, currency: str) -> Decimal:
    """The amount in whole coins, half-even. Raises KeyError for a currency that cannot be paid in."""
    return _rounded(amount, minor_unit(currency), ROUND_HALF_EVEN)


def round_lines(amounts: Sequence[Decimal], currency: str) -> tuple[Decimal, ...]:
    """The amounts in whole coins, in the same order, summing to ``round_amount`` of their exact sum."""
    coin = minor_unit(currency)
    floors = [_rounded(amount, coin, ROUND_FLOOR) for amount in amounts]
    with exact():
        owed = _rounded(total(amounts), coin, ROUND_HALF_EVEN) - total(floors)
        remainders = [amount - floor for amount, floor in zip(amounts, floors, strict=True)]
        most_cut_first = sorted(range(len(amounts)), key=lambda index: (-remainders[index], index))
        # Each remainder is below one coin, so there are never more coins owed than lines that were cut.
        for index in most_cut_first[: int(owed.scaleb(-coin.adjusted()))]:
            floors[index] += coin
    return tuple(floors)


def _rounded(amount: Decimal, coin: Decimal, rounding: str) -> Decimal:
    with exact() as context:
        # Rounding is the one thing that is meant to lose digits here; anything else that goes wrong still raises.
        context.traps[Inexact] = False
        rounded = amount.quantize(coin, rounding=rounding)
    # A small negative amount rounds to -0, which prints as "-0.00".
    return rounded if rounded else abs(rounded)
