"""Shares: whole numbers in proportion to others, so that nothing is lost and nothing is added.

Everything is done for many groups at once, on columns: a group is one number that is divided, and its members stand next to each other. Where
the numbers fit, columns are of int64, else of Python's integers; the arithmetic is the same, and exact in both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

#: Into how many parts whatever is shared is cut. A share is a number of these.
WHOLE_DIGITS = 12
WHOLE = 10**WHOLE_DIGITS

_INT64_END = 1 << 63
#: Numbers are divided three decimal digits at a time, so that every step of it fits an int64.
_STEP, _STEPS = 1_000, WHOLE_DIGITS // 3
#: Below this a sum of weights, times two steps, fits an int64.
_NARROW_END = _INT64_END // (2 * _STEP)
_LIMB_BITS = 62
#: Most sizes that groups may have to be sorted size by size.
_SIZES_MAX = 64


@dataclass(frozen=True)
class Shares:
    """What of a key is whose: rows of equal length, by key, and of each key in the order in which remainders are placed.

    ``target`` is whose, ``method`` by what method of a rule, ``reason`` why (numbers that somebody else has names for), ``part`` which of the
    method's parts it is, 0 where there is but one. The ``share`` of each key's rows add up to WHOLE.
    """

    key: np.ndarray
    target: np.ndarray
    method: np.ndarray
    reason: np.ndarray
    share: np.ndarray
    part: np.ndarray

    @property
    def columns(self) -> list[np.ndarray]:
        """All of them, in the order of the fields."""
        return [getattr(self, each.name) for each in fields(self)]

    def chosen(self, rows: np.ndarray) -> Shares:
        """Some of the rows, by their places."""
        return Shares(*(column[rows] for column in self.columns))

    def starts(self, count: int) -> np.ndarray:
        """Where the rows of each of ``count`` keys begin, and the end behind."""
        return np.searchsorted(self.key, np.arange(count + 1))


def joined(pieces: list[Shares]) -> Shares:
    """Shares one after another; the keys of the pieces must ascend."""
    if not pieces:
        return Shares(*(np.zeros(0, np.int64) for _ in fields(Shares)))
    return Shares(*(np.concatenate(columns) for columns in zip(*(each.columns for each in pieces), strict=True)))


def split(totals: np.ndarray, group: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Parts of each group's total in proportion to the weights of its members, as int64; by largest remainder, the first of equal ones first.

    ``totals`` has one number from 0 to WHOLE per group, ``group`` the ascending number of the group of each member, ``weights`` numbers of at least 0.
    Raises ValueError for a group that has no weight at all: of its total nobody could say whose it is.
    """
    count = len(totals)
    starts = np.searchsorted(group, np.arange(count + 1))
    members = np.diff(starts)
    if not count:
        return np.zeros(0, np.int64)
    weights, sums = _reduced(weights, starts)
    if (members == 0).any() or (sums == 0).any():
        raise ValueError(f"group {int(np.flatnonzero((members == 0) | (sums == 0))[0])} has no weight to be divided by")
    whole, rest = _divided(totals[group], weights, sums[group])
    left = totals - np.add.reduceat(whole, starts[:-1])
    # Who has no remainder gets no more: there are at least as many others as there is left.
    sizes = np.unique(members)
    if rest.dtype == object or len(sizes) > _SIZES_MAX:
        one_more(whole, rest, group, left)
    else:
        for size in sizes.tolist():
            _one_more_by_size(whole, rest, starts[:-1][members == size], size, left[members == size])
    return whole


def one_more(whole: np.ndarray, rest: np.ndarray, group: np.ndarray, left: np.ndarray) -> None:
    """One part more for those with the largest remainders, as many in each group as are left."""
    some = np.flatnonzero(rest)
    by_rest = some[np.lexsort((*_descending(rest[some]), group[some]))]
    first = np.searchsorted(group[by_rest], np.arange(len(left)))
    place = np.arange(len(by_rest)) - first[group[by_rest]]
    whole[by_rest[place < left[group[by_rest]]]] += 1


def _one_more_by_size(whole: np.ndarray, rest: np.ndarray, starts: np.ndarray, size: int, left: np.ndarray) -> None:
    """The same for groups of one size, which begin at ``starts``: many short sorts take far less than a long one."""
    rows = starts[:, None] + np.arange(size)
    by_rest = np.argsort(-rest[rows], axis=1, kind="stable")
    first = np.arange(size) < left[:, None]
    whole[np.take_along_axis(rows, by_rest, axis=1)[first]] += 1


def _reduced(weights: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights without the factor that all of them have, and their sums by group: as int64 if these are small enough, else Python's integers."""
    common = int(np.gcd.reduce(weights)) if len(weights) else 0
    weights = weights // common if common > 1 else weights
    largest = int(weights.max()) if len(weights) else 0
    bound = largest * int(np.diff(starts).max(initial=0))
    weights = weights.astype(np.int64 if bound < _INT64_END else object)
    sums = np.zeros(len(starts) - 1, weights.dtype)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        sums[filled] = np.add.reduceat(weights, starts[filled])
    return weights, sums


def _divided(totals: np.ndarray, weights: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``totals * weights`` divided by ``sums``: the quotient as int64, and the remainder."""
    if weights.dtype == object or sums.max(initial=0) >= _NARROW_END:
        products = totals.astype(object) * weights.astype(object)
        whole = products // sums
        return whole.astype(np.int64), products - whole * sums
    whole, rest = np.zeros(len(totals), np.int64), np.zeros(len(totals), np.int64)
    for step in reversed(range(_STEPS + 1)):
        digits = totals // _STEP**step % _STEP
        rest = rest * _STEP + digits * weights
        quotient = rest // sums
        rest -= quotient * sums
        whole = whole * _STEP + quotient
    return whole, rest


def _descending(rest: np.ndarray) -> list[np.ndarray]:
    """Columns of int64 that sort numbers of at least 0 from the largest to the least, the last of them first."""
    if rest.dtype != object:
        return [-rest]
    bits = int(rest.max()).bit_length() if len(rest) else 0
    limbs = range(0, max(bits, 1), _LIMB_BITS)
    return [-((rest >> shift) & ((1 << _LIMB_BITS) - 1)).astype(np.int64) for shift in limbs]


def whole_numbers(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column of decimals in units of their last digit: as int64 where all of them fit, else as Python's integers."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not len(array):
        return np.zeros(0, np.int64)
    words = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 2)[array.offset : array.offset + len(array)]
    low, high = words[:, 0], words[:, 1]
    if (high == low >> 63).all():
        return low.copy()
    found: np.ndarray = (high.astype(object) << 64) + low.view(np.uint64).astype(object)
    return found
