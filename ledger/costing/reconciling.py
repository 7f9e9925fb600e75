"""Reconciling: what was billed against what it became, and against what is left of it, which has to be nothing.

What was billed is added up where the charges lie, by another way than the allocation took; so a charge that it lost, or had twice, would be seen. The difference is
the residual. It is 0 to the last digit, or something is wrong with the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.costing.allocating import Allocated, Stage
from ledger.costing.amounts import amounts, exact_total
from ledger.costing.bills import Bill
from ledger.costing.charges import charge_sums
from ledger.costing.profiles import MISSING, numbered
from ledger.costing.targets import IDLE, SHARED, UNALLOCATED
from ledger.directory.allocation import METHODS
from ledger.journal.view import View
from meterbook.wire.instants import LATEST_US

#: What a part of a charge can be: a tenant's by name, by usage or by a stated share; or in a pool; or nobody's.
Class = Literal["direct", "driver", "stated", "shared", "idle", "unallocated"]
CLASSES: tuple[Class, ...] = get_args(Class)
_OWN: Mapping[str, Class] = {SHARED: "shared", IDLE: "idle", UNALLOCATED: "unallocated"}
_BY_METHOD: Mapping[str, Class] = {
    "direct": "direct",
    "driver": "driver",
    "weighted": "driver",
    "split": "driver",
    "even": "stated",
    "fixed": "stated",
    "to": "stated",
}
_TOTALS_MAX = 1_000


@dataclass(frozen=True)
class Reconciled:
    """What charges of one currency became: ``parts`` by class, of which those that are 0 are there, too."""

    group: Mapping[str, str]
    currency: str
    charges: int
    billed: Decimal
    parts: Mapping[Class, Decimal]

    @property
    def residual(self) -> Decimal:
        """What is billed and became nothing."""
        return exact_total([self.billed, *(part.copy_negate() for part in self.parts.values())])


@dataclass(frozen=True)
class Unallocated:
    """What is nobody's for one reason, in one currency."""

    reason: str
    currency: str
    charges: int
    amount: Decimal


@dataclass(frozen=True)
class TenantCost:
    """What one tenant, or one of the book's own, bears of the charges of one currency; ``parts`` by class as far as there are any."""

    tenant: str
    currency: str
    cost: Decimal
    parts: Mapping[Class, Decimal]


def class_of(allocated: Allocated) -> Callable[[Stage], np.ndarray]:
    """Gives the place in CLASSES of each row of a stage's shares."""
    by_target = np.array([CLASSES.index(_OWN[each]) if each in _OWN else -1 for each in allocated.targets], np.int64)
    # The last one is for what no rule took, and always one of the book's own.
    by_method = np.array([*(CLASSES.index(_BY_METHOD[method]) for method in METHODS), -1], np.int64)

    def found(stage: Stage) -> np.ndarray:
        own = by_target[stage.shares.target]
        places: np.ndarray = np.where(own >= 0, own, by_method[stage.shares.method])
        return places

    return found


def reconciled(
    view: View, standing: Sequence[Bill], allocated: Allocated, cost: str, by: Sequence[str], limit: int
) -> tuple[list[Reconciled], int]:
    """The first groups, of which most is billed first, and how many there are. Raises NoSuchColumn.

    ``by`` are columns that the allocation's profiles were told apart by.
    """
    # A charge may begin with the last second that there is.
    billed = charge_sums(view, standing, by, 0, LATEST_US + 1, limit)
    groups = [(*each.group.values(), each.currency) for each in billed.first]
    told = {group: dict.fromkeys(CLASSES, Decimal(0)) for group in groups}
    # There may be as many groups as charges: only of those that are asked for the parts are added up.
    if len(groups) < billed.count:
        allocated = allocated.chosen(_rows_of(allocated, by, groups))
    columns = [*(allocated.profiles.columns[name] for name in by), allocated.profiles.currency]
    of = class_of(allocated)
    found = amounts(allocated, cost, [each.codes for each in columns], lambda stage: [of(stage)])
    for (*codes, place), amount in found.items():
        told[tuple(each.named(code) for each, code in zip(columns, codes, strict=True))][CLASSES[place]] = amount.cost
    rows = [
        Reconciled(each.group, each.currency, each.charges, each.costs[cost], told[*each.group.values(), each.currency])
        for each in billed.first
    ]
    return rows, billed.count


def _rows_of(allocated: Allocated, by: Sequence[str], groups: Sequence[tuple[str, ...]]) -> np.ndarray:
    """The places of the profiles of some groups, which are the texts of columns and the currency."""
    profiles, parts = allocated.profiles, []
    for column, texts in zip(
        [*(profiles.columns[name] for name in by), profiles.currency], zip(*groups, strict=True), strict=True
    ):
        # An empty text may be among those of a column, and is missing there all the same.
        asked = pa.array([text or None for text in texts], pa.utf8())
        codes = pc.index_in(asked, value_set=pa.array(column.texts, pa.utf8())).fill_null(MISSING)
        parts.append(np.concatenate([column.codes, codes.to_numpy().astype(np.int64)]))
    number, _ = numbered(parts, len(profiles) + len(groups))
    return np.flatnonzero(np.isin(number[: len(profiles)], number[len(profiles) :]))


def totals(view: View, standing: Sequence[Bill], allocated: Allocated, cost: str) -> list[Reconciled]:
    """What all charges became, by currency."""
    return reconciled(view, standing, allocated, cost, (), _TOTALS_MAX)[0]


def unallocated(allocated: Allocated, cost: str) -> list[Unallocated]:
    """What is nobody's, by reason and currency."""
    of, nobodys = class_of(allocated), CLASSES.index("unallocated")
    found = amounts(
        allocated, cost, [allocated.profiles.currency.codes], lambda stage: [of(stage), stage.shares.reason]
    )
    currencies = allocated.profiles.currency
    rows = [
        Unallocated(allocated.reasons[reason], currencies.named(currency), amount.charges, amount.cost)
        for (currency, place, reason), amount in found.items()
        if place == nobodys
    ]
    return sorted(rows, key=lambda row: (row.currency, row.reason))


def tenant_costs(allocated: Allocated, cost: str) -> list[TenantCost]:
    """What everybody bears, by tenant and currency; the book's own come first."""
    of = class_of(allocated)
    currencies = allocated.profiles.currency
    found = amounts(allocated, cost, [currencies.codes], lambda stage: [stage.shares.target, of(stage)])
    told: dict[tuple[str, str], dict[Class, Decimal]] = {}
    for (currency, target, place), amount in found.items():
        key = (allocated.targets[target], currencies.named(currency))
        told.setdefault(key, {})[CLASSES[place]] = amount.cost
    return [TenantCost(*key, exact_total(parts.values()), parts) for key, parts in sorted(told.items())]
