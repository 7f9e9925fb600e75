"""Pools: in which order they are divided, so that nothing comes into one after that.

Rules that divide pools go in no circle at any date; whoever writes them is told. Rules differ by date, and so may the order: profiles are taken together
whose periods begin between two changes of the rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ledger.costing.taking import Rule
from ledger.directory.methods import LASTING


def order_of(rules: Sequence[Rule]) -> list[str]:
    """All pools that rules divide or give to, each before those that it may give to. Raises ValueError where there is no such order."""
    gives: dict[str, set[str]] = {pool: set() for pool in LASTING.union(*(rule.spec.gives_to() for rule in rules))}
    for rule in rules:
        if rule.spec.of is not None:
            gives.setdefault(rule.spec.of, set()).update(rule.spec.gives_to())
    ordered: list[str] = []
    while left := sorted(gives.keys() - set(ordered)):
        free = [pool for pool in left if not any(pool in gives[other] for other in left)]
        if not free:
            raise ValueError(f"the rules of the pools {', '.join(left)} divide them into each other in a circle")
        ordered += free
    return ordered


def epochs(rules: Sequence[Rule], start_us: np.ndarray) -> list[tuple[list[Rule], np.ndarray]]:
    """The rules that hold at a time, and the rows whose periods begin then, for each time in which any does."""
    dates = sorted({date for rule in rules for date in (rule.from_us, rule.until_us)})
    epoch = np.searchsorted(np.array(dates, np.int64), start_us, "right")
    found = []
    for place in np.unique(epoch).tolist():
        rows = np.flatnonzero(epoch == place)
        at_us = int(start_us[rows[0]])
        found.append(([rule for rule in rules if rule.from_us <= at_us < rule.until_us], rows))
    return found
