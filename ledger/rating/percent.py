"""Percentages as factors: 2.9 percent of an amount is the amount x 0.029.

Dividing by a hundred only moves the point, so it is done by moving it: nothing can be rounded on the way.
"""

from __future__ import annotations

from decimal import Decimal

from ledger.schema.decimals import exact

_HUNDRED = Decimal(100)


def share(percent: Decimal) -> Decimal:
    """The factor that gives so many percent of an amount: 2.9 -> 0.029. Raises ``decimal.Inexact`` beyond 100 digits."""
    with exact():
        return percent.scaleb(-2)


def raised(percent: Decimal) -> Decimal:
    """The factor that gives an amount and so many percent of it on top: 25 -> 1.25. Raises ``decimal.Inexact`` beyond 100 digits."""
    with exact():
        return (_HUNDRED + percent).scaleb(-2)
