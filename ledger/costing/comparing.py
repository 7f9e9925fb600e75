"""Comparing: what price books estimated against what was billed, by whatever columns are asked for.

Both sides are added up where their charges lie. What only one side has is a row like any other, whose other side is missing, which is not the same as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ledger.costing.amounts import exact_total
from ledger.costing.bills import Bill
from ledger.costing.charges import charge_sums
from ledger.journal.view import View
from ledger.schema.decimals import exact
from meterbook.wire.instants import LATEST_US

GROUPS_MAX = 500_000
_NOTHING = Decimal(0)
#: Digits after the point of an error in percent.
_PERCENT_DIGITS = 4


class TooManyGroups(ValueError):
    """The columns tell more groups apart than can be compared."""


@dataclass(frozen=True)
class Compared:
    """Charges of one currency that have the same in some columns: how many were ``estimated`` and ``billed``, and their costs, None where there are none."""

    group: Mapping[str, str]
    currency: str
    estimated_charges: int
    estimated: Decimal | None
    billed_charges: int
    billed: Decimal | None

    @property
    def difference(self) -> Decimal:
        """By how much the estimate is above what was billed; of what is missing nothing was billed, or estimated."""
        return exact_total([self.estimated or _NOTHING, (self.billed or _NOTHING).copy_negate()])

    @property
    def error_percent(self) -> Decimal | None:
        """The difference in percent of the size of what was billed, four digits after the point, half to even; None where that is nothing."""
        if not self.billed:
            return None
        error = Fraction(self.difference) / abs(Fraction(self.billed)) * 100
        with exact():
            return Decimal(round(error * 10**_PERCENT_DIGITS)).scaleb(-_PERCENT_DIGITS)


def compared(
    view: View, billed: Sequence[Bill], estimated: Sequence[Bill], cost: str, by: Sequence[str]
) -> list[Compared]:
    """Every group, the greatest difference first. Raises NoSuchColumn, TooManyGroups."""
    names = ["source", *(name for name in by if name != "source")]
    sums = charge_sums(view, [*billed, *estimated], names, 0, LATEST_US + 1, GROUPS_MAX)
    if sums.count > len(sums.first):
        raise TooManyGroups(f"{', '.join(by)} tell more than {GROUPS_MAX} groups apart; ask by fewer columns")
    sides: dict[tuple[str, ...], tuple[list[Decimal], list[Decimal], list[int]]] = {}
    books = {bill.source for bill in estimated}
    for each in sums.first:
        key = (*(each.group[name] for name in by), each.currency)
        costs_estimated, costs_billed, counts = sides.setdefault(key, ([], [], [0, 0]))
        is_billed = each.group["source"] not in books
        (costs_billed if is_billed else costs_estimated).append(each.costs[cost])
        counts[is_billed] += each.charges
    found = [
        Compared(
            dict(zip(by, key, strict=False)),
            key[-1],
            counts[0],
            exact_total(of_books) if of_books else None,
            counts[1],
            exact_total(of_bills) if of_bills else None,
        )
        for key, (of_books, of_bills, counts) in sides.items()
    ]
    return sorted(
        found, key=lambda each: (each.difference.copy_abs().copy_negate(), each.currency, *each.group.values())
    )
