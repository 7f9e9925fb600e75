"""Portions: amounts cut into the parts of those who bear them, in whole units of the last digit, so that the parts add up to the amount.

A file for others has to hold its numbers in 38 digits, and a part of a cost has more of them. So each part is rounded down to the 18 digits that the
cost itself has, and what is left of the cost goes, one unit each, to the parts with the largest remainders, and of equal ones to the first. An amount
below zero is cut like its opposite. No part is further than one unit from what it is exactly.

Everything is done on columns. Decimals of 256 bits hold the exact product of an amount and a ratio; remainders and carries are taken from the words of
which decimals consist.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.wire.sections import AMOUNT

#: A ratio: at most 1, with as many digits after the point as a decimal of 38 digits can have.
RATIO_DIGITS = 36
RATIO = pa.decimal128(38, RATIO_DIGITS)

_WIDE_AMOUNT, _WIDE_RATIO = pa.decimal256(38, AMOUNT.scale), pa.decimal256(RATIO_DIGITS + 1, RATIO_DIGITS)
# One digit less than the product could have, and none less than it has: so it can be subtracted from.
_PRODUCT = pa.decimal256(75, AMOUNT.scale + RATIO_DIGITS)
_WORD_BITS = 64
_WORD = (1 << _WORD_BITS) - 1
#: One unit of an amount in units of a product.
_UNIT = 10**RATIO_DIGITS
_UNIT_LOW, _UNIT_HIGH = np.uint64(_UNIT & _WORD), np.uint64(_UNIT >> _WORD_BITS)


def portions(amounts: pa.Array, starts: np.ndarray, ratio: pa.Array) -> pa.Array:
    """The parts of amounts (type AMOUNT, null for none): rows as long as ``ratio`` (type RATIO), those of one amount beside each other.

    ``starts`` has where the rows of each amount begin, and the end behind; the ratios of each add up to exactly 1.
    """
    counts = np.diff(starts)
    group = np.repeat(np.arange(len(amounts)), counts)
    missing = amounts.is_null().to_numpy(zero_copy_only=False)[group]
    held = amounts.fill_null(0)
    size = pc.abs(held)
    low, high, rest = _cut(size.take(pa.array(group)), ratio)
    # What is left is a small number, so the last word of each sum tells all of it.
    left = _words(size)[0] - np.add.reduceat(low, starts[:-1]) if len(amounts) else np.zeros(0, np.uint64)
    more = _most(rest, group, left.astype(np.int64))
    low[more] += np.uint64(1)
    high[more] += low[more] == 0
    below = (_words(held)[1].astype(np.int64) < 0)[group]
    low[below], high[below] = ~low[below] + np.uint64(1), ~high[below] + (low[below] == 0)
    return _column(low, high, AMOUNT, missing)


def _cut(size: pa.Array, ratio: pa.Array) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Sizes x ratios, rounded down: the two words of each, and those of the remainder in units of the product's last digit."""
    product = pc.multiply(size.cast(_WIDE_AMOUNT), ratio.cast(_WIDE_RATIO)).cast(_PRODUCT)
    floor = product.cast(_WIDE_AMOUNT, safe=False)
    low, high = (words.copy() for words in _words(floor)[:2])
    rest = [words.copy() for words in _words(pc.subtract(product, floor))]
    # Arrow's division of wide decimals can be off by one, which the remainder shows: Python divides again.
    is_off = (
        (rest[3] != 0) | (rest[2] != 0) | (rest[1] > _UNIT_HIGH) | ((rest[1] == _UNIT_HIGH) & (rest[0] >= _UNIT_LOW))
    )
    for row in np.flatnonzero(is_off).tolist():
        whole, part = divmod(_number(size, row) * _number(ratio, row), _UNIT)
        low[row], high[row] = whole & _WORD, whole >> _WORD_BITS
        rest[0][row], rest[1][row] = part & _WORD, part >> _WORD_BITS
    return low, high, rest[:2]


def _number(column: pa.Array, row: int) -> int:
    """A decimal of at least 0 in units of its last digit."""
    low, high = (int(words[row]) for words in _words(column))
    return (high << _WORD_BITS) | low


def decimals(numbers: np.ndarray, kind: pa.DataType) -> pa.Array:
    """A column of decimals of 128 bits from whole numbers of at least 0, in units of their last digit, as Python's integers."""
    low = (numbers & _WORD).astype(np.uint64)
    return _column(low, (numbers >> _WORD_BITS).astype(np.uint64), kind, None)


def _most(rest: list[np.ndarray], group: np.ndarray, left: np.ndarray) -> np.ndarray:
    """The rows that get one unit more: of each group as many as are left, those with the largest remainders first."""
    low, high = rest
    some = np.flatnonzero((left[group] > 0) & ((low != 0) | (high != 0)))
    by_rest = some[np.lexsort((~low[some], ~high[some], group[some]))]
    first = np.searchsorted(group[by_rest], np.arange(len(left)))
    place = np.arange(len(by_rest)) - first[group[by_rest]]
    chosen: np.ndarray = by_rest[place < left[group[by_rest]]]
    return chosen


def _words(column: pa.Array) -> list[np.ndarray]:
    """The words of a column of decimals without nulls, from the last on."""
    count = column.type.bit_width // _WORD_BITS
    words = np.frombuffer(column.buffers()[1], np.uint64).reshape(-1, count)[
        column.offset : column.offset + len(column)
    ]
    return [words[:, place] for place in range(count)]


def _column(low: np.ndarray, high: np.ndarray, kind: pa.DataType, missing: np.ndarray | None) -> pa.Array:
    words = np.stack([low, high], axis=1)
    is_there = None
    if missing is not None and missing.any():
        is_there = pa.array(~missing).buffers()[1]
    return pa.Array.from_buffers(kind, len(low), [is_there, pa.py_buffer(words)])
