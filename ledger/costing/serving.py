"""Serving: what everybody bears, and by what it was divided: which meters, and which pool.

A rule that divides in proportion to a meter says more than whose a cost is: it says for what. So the cost of a product, and of one unit of what a meter
measures, can be told as far as rules go by its meter. A charge that a tag gives to a tenant, or stated weights, tells of no meter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ledger.costing.allocating import ABSENT, Allocated, Stage
from ledger.costing.amounts import amounts
from ledger.costing.explaining import pool_of
from ledger.costing.profiles import numbered
from ledger.costing.register import Register
from ledger.costing.taking import NOBODY
from ledger.directory.allocation import Allocation, Method

#: The methods by which a part is in proportion to usage.
_PROPORTIONAL: tuple[Method, ...] = ("driver", "weighted", "split")


@dataclass(frozen=True)
class Basis:
    """By what a part was divided: the pool that it was in (empty for a charge itself), and the meters, of which the greatest counted."""

    pool: str = ""
    meters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Served:
    """What a target bears by one basis of the charges of one span (its number) in one currency."""

    target: str
    basis: Basis
    span: int
    currency: str
    cost: Decimal


def served(allocated: Allocated, cost: str, spans: np.ndarray) -> list[Served]:
    """What every target bears; ``spans`` has along the profiles the number of the span that each belongs to."""
    bases: Register[Basis] = Register()
    basis_of = {
        id(stage): _bases(allocated, stage, pool_of(allocated, place), bases)
        for place, stage in enumerate(allocated.stages)
    }
    currencies = allocated.profiles.currency
    found = amounts(
        allocated, cost, [currencies.codes, spans], lambda stage: [stage.shares.target, basis_of[id(stage)]]
    )
    things = bases.things
    return [
        Served(allocated.targets[target], things[basis], span, currencies.named(currency), amount.cost)
        for (currency, span, target, basis), amount in found.items()
    ]


def meters_gone_by(rules: Sequence[Allocation]) -> Mapping[str, set[tuple[str, ...]]]:
    """The meters in proportion to which rules divide, each with the meters of which it is the greatest that counts."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for rule in rules:
        for meters in _meters(rule):
            for meter in meters:
                found.setdefault(meter, set()).add(meters)
    return found


def _bases(allocated: Allocated, stage: Stage, pool: str, bases: Register[Basis]) -> np.ndarray:
    """The number of the basis of each row of a stage's shares."""
    come = np.flatnonzero(stage.key != ABSENT)
    rule_of_key = np.full(int(stage.shares.key.max(initial=-1)) + 1, NOBODY, np.int64)
    # Rules that share a key say the same of what they take, so any of them will do.
    rule_of_key[stage.key[come]] = stage.rule[come]
    rules = rule_of_key[stage.shares.key]
    codes, places = numbered([rules, stage.shares.part], len(rules))
    told = []
    for place in places.tolist():
        meters: Sequence[tuple[str, ...]] = ()
        if rules[place] != NOBODY:
            meters = _meters(allocated.rules[rules[place]].spec)
        told.append(Basis(pool, meters[stage.shares.part[place]] if meters else ()))
    numbers: np.ndarray = bases.numbers(told)[codes]
    return numbers


def _meters(rule: Allocation) -> list[tuple[str, ...]]:
    """The meters of each part of a rule that divides in proportion; none of any other."""
    return [driver.meter for _, driver, _ in rule.drivers()] if rule.method in _PROPORTIONAL else []
