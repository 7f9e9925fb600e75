"""Exact arithmetic on columns: float64 samples as whole units and nano-units, both int64.

A sample is the float64 that the source gave. Its whole part is exact in an int64 and what remains, times 10^9 and
rounded to the nearest, is at most 10^9: two integer columns whose differences and sums NumPy computes without any
rounding. Only per hour, where there are few numbers left, do they become Python integers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ledger.directory.making import Rounding
from ledger.journal.quantity import NANO

_DIGITS = 9
_MILLION = 10**6
_LIMB_BITS = 31
_LIMB_MASK = (1 << _LIMB_BITS) - 1
_NANO = np.float64(NANO)
_HALF = 0.5
_INT64_END = 1 << 63
#: Sums of whole units, high and low limb, and of nano-units: together (high * 2^31 + low) * 10^9 + rest nano-units.
Limbs = tuple[np.ndarray, np.ndarray, np.ndarray]
#: Cuts the 53 bits of a float64 into two halves (Veltkamp).
_SPLITTER = np.float64((1 << 27) + 1)


def split(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole units and nano-units of float64 values below 2^62 in magnitude, both of the value's sign.

    Together they are the nearest number of nano-units, and of two equally near ones the even one.
    """
    integral = values.astype(np.int64)
    if (integral == values).all():
        return integral, np.zeros_like(integral)
    whole = np.trunc(values)
    part = values - whole
    scaled = part * _NANO
    nano = np.rint(scaled)
    # Only where the product was rounded to the middle between two numbers can rint have chosen the wrong one.
    doubtful = np.flatnonzero(np.abs(scaled - nano) == _HALF)
    if len(doubtful):
        error = _product_error(part[doubtful], scaled[doubtful])
        nano[doubtful] = np.where(error == 0, nano[doubtful], np.rint(scaled[doubtful] + np.copysign(_HALF / 2, error)))
    return whole.astype(np.int64), nano.astype(np.int64)


def _product_error(part: np.ndarray, scaled: np.ndarray) -> np.ndarray:
    """``part`` x 10^9 less the rounded product, exactly: of halves with 26 bits the products need no rounding."""
    high = part * _SPLITTER - (part * _SPLITTER - part)
    error: np.ndarray = (high * _NANO - scaled) + (part - high) * _NANO
    return error


def pairs(nanos: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Whole units and nano-units, both of the value's sign, of Python integers.

    Where one has 2^63 units or more the whole units are a column of Python integers: sums of many events may be as large as that.
    """
    parts = [divmod(abs(nano), NANO) for nano in nanos]
    wholes, rests = (
        [-part[place] if nano < 0 else part[place] for part, nano in zip(parts, nanos, strict=True)] for place in (0, 1)
    )
    fits = all(-_INT64_END <= whole < _INT64_END for whole in wholes)
    return np.array(wholes, np.int64 if fits else object), np.array(rests, np.int64)


def limbs(whole: np.ndarray, nano: np.ndarray, starts: np.ndarray) -> Limbs:
    """Sums of each run of rows, in limbs; ``starts`` are the places at which the runs begin, the first of them 0."""
    rest = np.add.reduceat(nano, starts)
    # Most are so small that not even all of them together need a second limb.
    if max(-int(whole.min()), int(whole.max())) <= _INT64_END // (2 * len(whole)):
        total = np.add.reduceat(whole, starts)
        return total >> _LIMB_BITS, total & _LIMB_MASK, rest
    return np.add.reduceat(whole >> _LIMB_BITS, starts), np.add.reduceat(whole & _LIMB_MASK, starts), rest


def weighted_limbs(whole: np.ndarray, nano: np.ndarray, weights: np.ndarray, starts: np.ndarray) -> Limbs:
    """The same of amounts times weights.

    ``weights`` are non-negative and add up to at most 2^32 in a run (an hour has 3.6 * 10^9 microseconds), so that
    31-bit limbs of the values cannot overflow an int64 sum.
    """
    high = np.add.reduceat((whole >> _LIMB_BITS) * weights, starts)
    low = np.add.reduceat((whole & _LIMB_MASK) * weights, starts)
    return high, low, np.add.reduceat(nano * weights, starts)


def sums(whole: np.ndarray, nano: np.ndarray, starts: np.ndarray) -> list[int]:
    """Sums of each run of rows, if there are any, as Python integers in nano-units."""
    return integers(*limbs(whole, nano, starts)) if len(starts) else []


def per_million(high: np.ndarray, low: np.ndarray, rest: np.ndarray) -> Limbs:
    """A millionth of each amount, rounded to nano-units, half to even."""
    high, low = high + (low >> _LIMB_BITS), low & _LIMB_MASK
    high, left = _divided(high)
    low, left = _divided((left << _LIMB_BITS) + low)
    rest, part = _divided(rest)
    # What is added to it is even: a thousand nano-units for each unit that is left.
    rest += (2 * part > _MILLION) | ((2 * part == _MILLION) & (rest & 1 == 1))
    return high, low, left * (NANO // _MILLION) + rest


def _divided(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Millions in it, and what is left; also of Python integers, of which NumPy has no divmod."""
    millions = column // _MILLION
    return millions, column - millions * _MILLION


def integers(high: np.ndarray, low: np.ndarray, rest: np.ndarray) -> list[int]:
    """Nano-units as Python integers."""
    columns = (column.tolist() for column in (high, low, rest))
    return [((h << _LIMB_BITS) + m) * NANO + r for h, m, r in zip(*columns, strict=True)]


def round_half_even(numerator: int, denominator: int) -> int:
    """The integer nearest to a fraction with a positive denominator; of two equally near ones, the even one."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))


def rounded(nano: int, rounding: Rounding) -> int:
    """Nano-units rounded to the digits that are wanted."""
    unit: int = 10 ** (_DIGITS - rounding.digits)
    if unit == 1:
        return nano
    if rounding.mode == "half_even":
        return round_half_even(nano, unit) * unit
    # The others are as far from 0 on both sides of it.
    sign, size = (-1, -nano) if nano < 0 else (1, nano)
    extra = {"down": 0, "up": unit - 1, "half_up": unit // 2}[rounding.mode]
    return sign * ((size + extra) // unit * unit)
