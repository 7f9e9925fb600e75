"""Apportioning: fractions shown as decimals that add up to what is shown of their whole.

A cost divided by a rate may have no end. Inside it is a fraction and exact. To be shown it has to be cut somewhere, and numbers cut one by one do not add up
to the whole that was cut by itself. So the whole is rounded first, and its parts by largest remainder: whoever adds up what is shown gets the whole that
is shown. What ends within these digits is not touched by it, and where all numbers have an end nothing is rounded at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from math import lcm

from ledger.schema.decimals import plain_text

#: Digits after the point of numbers of which some have no end: as many as a cost on a bill has.
SHOWN_DIGITS = 18

#: Digits enough for any amount that somebody can think of, times a rate.
_EXACT = Context(prec=10_000, traps=[Inexact])


def apportioned(groups: Sequence[Sequence[Fraction]]) -> list[list[Decimal]]:
    """The parts of groups as decimals, which add up to those of the groups, and these to the whole.

    The whole is rounded half-even to ``SHOWN_DIGITS`` digits; one that has an end is not, so that it is the same into whatever parts it is told. Where
    every part is a decimal number itself, that is what it is.
    """
    if all(_have_an_end(group) for group in groups):
        return [[_decimal(part) for part in group] for group in groups]
    # Over one denominator everything is a whole number, which is many times as fast.
    below = lcm(*{part.denominator for group in groups for part in group})
    numerators = [[part.numerator * (below // part.denominator) for part in group] for group in groups]
    exact = Fraction(sum(map(sum, numerators)), below)
    digits = _digits(_decimal(exact)) if _have_an_end([exact]) else SHOWN_DIGITS
    units = [[each * 10**digits for each in group] for group in numerators]
    wholes = _parts(round(exact * 10**digits), [sum(group) for group in units], below)
    return [_shown(_parts(whole, group, below), digits) for whole, group in zip(wholes, units, strict=True)]


def parts_of(whole: Decimal, parts: Sequence[Fraction]) -> list[Decimal]:
    """Parts of a whole that is shown already, as decimals that add up to it."""
    if _have_an_end(parts) and sum(parts, Fraction(0)) == Fraction(whole):
        return list(map(_decimal, parts))
    digits = _digits(whole)
    below = lcm(*(part.denominator for part in parts))
    units = [part.numerator * (below // part.denominator) * 10**digits for part in parts]
    return _shown(_parts(int(Fraction(whole) * 10**digits), units, below), digits)


def _parts(whole: int, parts: Sequence[int], below: int) -> list[int]:
    """Whole numbers near ``parts / below`` that add up to the whole, by largest remainder, the first of equal ones first."""
    found, rests = map(list, zip(*(divmod(part, below) for part in parts), strict=True)) if parts else ([], [])
    left = whole - sum(found)
    if left:
        by_rest = sorted(range(len(parts)), key=lambda place: (-rests[place], place))
        # What has no remainder is not touched, unless nothing has one.
        by_rest = [place for place in by_rest if rests[place]] or by_rest
        each, more = divmod(left, len(by_rest))
        for turn, place in enumerate(by_rest):
            found[place] += each + (turn < more)
    return found


def _have_an_end(parts: Iterable[Fraction]) -> bool:
    """Whether all are decimal numbers: their denominators have no factors but 2 and 5."""
    return all(pow(10, below.bit_length(), below) == 0 for below in {part.denominator for part in parts} - {1})


def _decimal(part: Fraction) -> Decimal:
    return _EXACT.divide(Decimal(part.numerator), Decimal(part.denominator))


def _digits(whole: Decimal) -> int:
    """How many digits after the point the parts of a whole are shown with: its own, but not less than ``SHOWN_DIGITS``."""
    return max(SHOWN_DIGITS, len(plain_text(whole).partition(".")[2]))


def _shown(units: Iterable[int], digits: int) -> list[Decimal]:
    return [Decimal(each).scaleb(-digits, _EXACT) for each in units]
