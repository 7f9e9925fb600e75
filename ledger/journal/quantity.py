"""Quantities as whole numbers of 10^-9, and as the decimals that people read.

Inside the ledger a quantity is an ``int`` of nano-units: sums and differences of Python's integers are exact at any
size, and there is no rounding mode to forget. A decimal with nine places appears at the edges.
"""

from __future__ import annotations

from decimal import Context, Decimal

#: Nano-units in a unit.
NANO = 1_000_000_000
#: Digits of the largest quantity that the book holds, and of those after the point: DECIMAL(38, 9).
DIGITS_MAX, PLACES = 38, 9

# The default context keeps 28 digits and would round larger quantities in silence.
_EXACT = Context(prec=DIGITS_MAX)


def to_decimal(nano: int) -> Decimal:
    """The quantity with nine places after the point. Raises OverflowError beyond DECIMAL(38, 9)."""
    if abs(nano) >= 10**DIGITS_MAX:
        raise OverflowError(f"quantity {nano}e-9 has more than {DIGITS_MAX - PLACES} digits before the point")
    return Decimal(nano).scaleb(-PLACES, _EXACT)


def from_decimal(quantity: Decimal) -> int:
    """Nano-units of a quantity with at most nine places after the point. Raises ValueError where there are more."""
    sign, digits, exponent = quantity.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{quantity} is not a number")
    whole = int("".join(map(str, digits)))
    shift = exponent + PLACES
    power: int = 10 ** abs(shift)
    if shift >= 0:
        whole *= power
    else:
        whole, rest = divmod(whole, power)
        if rest:
            raise ValueError(f"{quantity} has more than {PLACES} places after the point")
    return -whole if sign else whole
