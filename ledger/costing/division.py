"""What the rules of one allocation share: where they read, and the numbers of what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np

from ledger.costing.profiles import Coded, Profiles
from ledger.costing.register import Register
from ledger.costing.shares import WHOLE, Shares, split
from ledger.costing.taking import Rule
from ledger.costing.targets import NO_REASON, UNALLOCATED
from ledger.directory.catalog import Catalog
from ledger.journal.view import View
from ledger.schema.decimals import FRACTION_DIGITS_MAX


def scaled(number: Decimal, digits: int) -> int:
    """A number with at most so many digits after the point in units of the last of them."""
    return int(Fraction(number) * 10**digits)


@dataclass
class Division:
    """One allocation while it is made.

    ``problems`` is what has to be told as an error, in order. ``named`` has of rules of the method direct, by place, the tenant that each profile names.
    """

    view: View
    catalog: Catalog
    profiles: Profiles
    rules: Sequence[Rule]
    targets: Register[str] = field(default_factory=Register)
    reasons: Register[str] = field(default_factory=lambda: Register(NO_REASON))
    problems: dict[str, None] = field(default_factory=dict)
    named: dict[int, Coded] = field(default_factory=dict)

    def stated(self, keys: Sequence[Sequence[tuple[str, Decimal]]], method: int, reason: str = NO_REASON) -> Shares:
        """Shares of keys that each have some targets, with weights, by a method. The reason is that of what is unallocated."""
        told = [(key, target, weight) for key, targets in enumerate(keys) for target, weight in targets]
        group = np.array([key for key, _, _ in told], np.int64)
        weights = np.array([scaled(weight, FRACTION_DIGITS_MAX) for _, _, weight in told], object)
        return Shares(
            group,
            self.targets.numbers(target for _, target, _ in told),
            np.full(len(told), method),
            self.reasons.numbers(reason if target == UNALLOCATED else NO_REASON for _, target, _ in told),
            split(np.full(len(keys), WHOLE), group, weights),
            np.zeros(len(told), np.int64),
        )
