"""Rounding to coins: once for each line, half-even, from an amount that is exact.

An amount is a Decimal where it is made of prices and quantities, and a Fraction where it is for a part of a billing period: ten days of a month of
thirty-one are no decimal number. Either is rounded from what it exactly is, so nothing is ever rounded twice. What is given back is rounded as
what was charged: the two halves of a line that is taken back are nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, FloatOperation, InvalidOperation, Overflow
from fractions import Fraction
from typing import TypeAlias

from ledger.schema.currency import minor_unit
from ledger.schema.decimals import total

#: An exact amount of money.
Amount: TypeAlias = Decimal | Fraction

# Rounding is the one thing that is meant to lose digits; anything else that goes wrong still raises.
_ROUNDING = Context(prec=100, traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation])


def summed(amounts: Iterable[Amount]) -> Fraction:
    """The exact sum of amounts of either kind."""
    decimals: list[Decimal] = []
    found = Fraction(0)
    for each in amounts:
        if isinstance(each, Decimal):
            # Decimals are added up at once: as fractions each would be brought to lowest terms.
            decimals.append(each)
        else:
            found += each
    return found + Fraction(total(decimals))


def round_exact(amount: Amount, currency: str) -> Decimal:
    """The amount in whole coins, half-even. Raises KeyError for a currency that cannot be paid in."""
    coin = minor_unit(currency)
    # Nearly all amounts are Decimals, and whether something is a Fraction takes long to ask.
    if isinstance(amount, Decimal):
        rounded = amount.quantize(coin, ROUND_HALF_EVEN, context=_ROUNDING)
    else:
        rounded = Decimal(round(amount / Fraction(coin))).scaleb(coin.adjusted(), context=_ROUNDING)
    # A small negative amount rounds to -0, which prints as "-0.00".
    return rounded if rounded else rounded.copy_abs()


def round_digits(amount: Amount, digits: int) -> Decimal:
    """The amount with so many digits after the point, half-even: to be shown, never to be computed with."""
    if isinstance(amount, Decimal):
        return amount.quantize(Decimal((0, (1,), -digits)), ROUND_HALF_EVEN, context=_ROUNDING)
    return Decimal(round(amount * 10**digits)).scaleb(-digits, context=_ROUNDING)
