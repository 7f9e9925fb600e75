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
_LIMB_BITS = 31
_LIMB_MASK = (1 << _LIMB_BITS) - 1
_NANO = np.float64(NANO)
_HALF = 0.5
_INT64_END = 1 << 63
#: Cuts the 53 bits of a float64 into two halves (Veltkamp).
_SPLITTER = np.float64((1 << 27) + 1)


def split(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole units and nano-units of float64 values below 2^62 in magnitude, both of the value's sign.

    Together they are the nearest number of nano-units, and of two equally near ones the even one.
    """
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


def sums(whole: np.ndarray, nano: np.ndarray, starts: np.ndarray) -> list[int]:
    """Nano-units of each group as Python integers; ``starts`` are the places at which the groups begin."""
    if len(starts) == 0:
        return []
    # In 31-bit limbs, because two values near 2^62 are already more than an int64 holds.
    high = np.add.reduceat(whole >> _LIMB_BITS, starts).tolist()
    low = np.add.reduceat(whole & _LIMB_MASK, starts).tolist()
    rest = np.add.reduceat(nano, starts).tolist()
    return [((h << _LIMB_BITS) + m) * NANO + r for h, m, r in zip(high, low, rest, strict=True)]


def weighted_sums(whole: np.ndarray, nano: np.ndarray, weights: np.ndarray, starts: np.ndarray) -> list[int]:
    """Nano-units times weight of each group, as Python integers.

    ``weights`` are non-negative and add up to at most 2^32 in a group (an hour has 3.6 * 10^9 microseconds), so that
    31-bit limbs of the values cannot overflow an int64 sum.
    """
    if len(starts) == 0:
        return []
    high = np.add.reduceat((whole >> _LIMB_BITS) * weights, starts).tolist()
    low = np.add.reduceat((whole & _LIMB_MASK) * weights, starts).tolist()
    rest = np.add.reduceat(nano * weights, starts).tolist()
    return [((h << _LIMB_BITS) + m) * NANO + r for h, m, r in zip(high, low, rest, strict=True)]


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
