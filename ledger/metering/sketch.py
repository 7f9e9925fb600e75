"""Sketches of HyperLogLog: about how many different things there are, from registers (see ``journal.registers``).

A sketch is what the registers keep, and nothing else. The sketch of two sets together is, register by register, the greater rank: so
hours make days and parts make wholes, in any order, and what is measured again is the same. Only registers that met anything are
kept, of many sketches in the same columns.

The number is told by Ertl's estimator (New cardinality estimation algorithms for HyperLogLog sketches, 2017, algorithm 6), which
needs no tables of corrections and holds from nothing to billions: few things are counted to the unit, and the standard error of
many is 1.04 / sqrt(16384), 0.8 % (Flajolet et al. 2007). It is reckoned in decimals of fifty digits, which are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

import numpy as np

from ledger.journal.registers import RANK_MAX, REGISTERS

#: 1 / (2 ln 2).
_ALPHA = Decimal("0.72134752044448170367996234050094687198846826236432")
_EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)
_ONE, _HALF = Decimal(1), Decimal("0.5")


@dataclass(frozen=True)
class Sketches:
    """Registers that met anything: columns of equal length, by group (which sketch) and register, each pair once."""

    groups: np.ndarray
    registers: np.ndarray
    ranks: np.ndarray

    @classmethod
    def of(cls, groups: np.ndarray, registers: np.ndarray, ranks: np.ndarray) -> Sketches:
        """What registers keep that met these ranks, in any order and as often as may be."""
        order = np.lexsort((ranks, registers, groups))
        groups, registers, ranks = groups[order], registers[order], ranks[order]
        # Of each register the last has the greatest rank.
        last = np.append(
            (groups[1:] != groups[:-1]) | (registers[1:] != registers[:-1]), np.ones(1, bool)[: len(groups)]
        )
        return cls(groups[last], registers[last], ranks[last])

    def union(self, other: Sketches) -> Sketches:
        """The sketches of both together, group by group."""
        pairs = ((self.groups, other.groups), (self.registers, other.registers), (self.ranks, other.ranks))
        return Sketches.of(*(np.concatenate(pair) for pair in pairs))

    def by(self, groups: np.ndarray) -> Sketches:
        """The sketches put together: ``groups`` are the new ones of the old numbers."""
        return Sketches.of(groups[self.groups], self.registers, self.ranks)

    def estimates(self) -> Mapping[int, int]:
        """About how many different things each group met."""
        groups, places = np.unique(self.groups, return_inverse=True)
        met = np.zeros((len(groups), RANK_MAX + 1), np.int64)
        np.add.at(met, (places, self.ranks), 1)
        met[:, 0] = REGISTERS - met.sum(axis=1)
        return {int(group): estimate(row) for group, row in zip(groups.tolist(), met.tolist(), strict=True)}


def estimate(met: Sequence[int]) -> int:
    """About how many different things there are, where so many registers have rank 0, 1, 2 and so on, REGISTERS in all."""
    whole = sum(met)
    if met[0] == whole:
        return 0
    if met[-1] == whole:
        # Full: as many as there are hashes, or more.
        return whole << (RANK_MAX - 1)
    reckon = _EXACT
    sum_ = reckon.multiply(Decimal(whole), _tau(reckon.divide(Decimal(whole - met[-1]), Decimal(whole))))
    for count in reversed(met[1:-1]):
        sum_ = reckon.multiply(_HALF, reckon.add(sum_, Decimal(count)))
    sum_ = reckon.add(sum_, reckon.multiply(Decimal(whole), _sigma(reckon.divide(Decimal(met[0]), Decimal(whole)))))
    found = reckon.divide(reckon.multiply(_ALPHA, Decimal(whole * whole)), sum_)
    return int(found.to_integral_value(ROUND_HALF_EVEN))


def _sigma(share: Decimal) -> Decimal:
    """x + the sum over k >= 1 of x^(2^k) 2^(k - 1), for x less than 1."""
    power, weight, found = share, _ONE, share
    while True:
        power = _EXACT.multiply(power, power)
        before, found = found, _EXACT.add(found, _EXACT.multiply(power, weight))
        weight = _EXACT.add(weight, weight)
        if before == found:
            return found


def _tau(share: Decimal) -> Decimal:
    """(1 - x - the sum over k >= 1 of (1 - x^(2^-k))^2 2^-k) / 3."""
    if share in (0, 1):
        return Decimal(0)
    root, weight, found = share, _ONE, _EXACT.subtract(_ONE, share)
    while True:
        root, weight = _EXACT.sqrt(root), _EXACT.multiply(weight, _HALF)
        rest = _EXACT.subtract(_ONE, root)
        before = found
        found = _EXACT.subtract(found, _EXACT.multiply(_EXACT.multiply(rest, rest), weight))
        if before == found:
            return _EXACT.divide(found, Decimal(3))
