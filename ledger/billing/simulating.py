"""Two ways of charging the same, side by side: what is charged now, and what would be.

An amount of a currency stands only against one of the same currency. A side that charges nothing in a currency is left empty where it charges
in another one, since a plan that moves from euros to dollars has not lost all of its revenue; where the side does charge in it, what a group
lacks is zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, get_args

from ledger.billing.invoice import Invoice
from ledger.rating.rounding import round_digits, round_exact
from ledger.schema.decimals import exact

Dimension = Literal["tenant", "plan", "product"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


@dataclass(frozen=True)
class Pair:
    """What one billing period is charged now, and what it would be."""

    now: Invoice
    then: Invoice


@dataclass(frozen=True)
class Compared:
    """Both sides of a group in one currency; None where a side charges nothing in it at all."""

    group: Mapping[Dimension, str]
    currency: str
    now: Decimal | None
    then: Decimal | None

    @property
    def difference(self) -> Decimal | None:
        """What more would be charged."""
        if self.now is None or self.then is None:
            return None
        with exact():
            return self.then - self.now

    @property
    def percent(self) -> Decimal | None:
        """The difference in percent of what is charged now, two digits; None of nothing."""
        if self.difference is None or not self.now:
            return None
        return round_digits(Fraction(self.difference) * 100 / Fraction(self.now), 2)


def compared(pairs: Iterable[Pair], by: Sequence[Dimension]) -> list[Compared]:
    """A row for each group and currency, the greatest difference first, and before them those that have none. Without ``by`` all is one group."""
    sums: dict[tuple[tuple[str, ...], str], list[Decimal]] = {}
    # By what of a group is known of a whole invoice: where a side charges in a currency at all.
    charging: set[tuple[int, tuple[str, ...], str]] = set()
    outer = [name for name in by if name != "product"]
    for pair in pairs:
        for side, invoice in enumerate((pair.now, pair.then)):
            of: dict[Dimension, str] = {"tenant": invoice.tenant, "plan": pair.now.plan}
            charging.add((side, tuple(of[name] for name in outer), invoice.currency))
            for product, amount in _amounts(invoice, is_split="product" in by):
                of["product"] = product
                cell = tuple(of[name] for name in by), invoice.currency
                with exact():
                    sums.setdefault(cell, [Decimal(0), Decimal(0)])[side] += amount
    rows = []
    for (key, currency), amounts in sums.items():
        group: dict[Dimension, str] = dict(zip(by, key, strict=True))
        known = tuple(group[name] for name in outer)
        now, then = (
            round_exact(amount, currency) if (side, known, currency) in charging else None
            for side, amount in enumerate(amounts)
        )
        rows.append(Compared(group, currency, now, then))
    return sorted(rows, key=_order)


def _amounts(invoice: Invoice, *, is_split: bool) -> Iterator[tuple[str, Decimal]]:
    if not is_split:
        yield "", invoice.total
    for each in invoice.lines if is_split else ():
        yield each.line.product, each.amount


def _order(row: Compared) -> tuple[bool, Decimal, tuple[str, ...], str]:
    difference = row.difference
    size = Decimal(0) if difference is None else -difference.copy_abs()
    return difference is not None, size, tuple(row.group.values()), row.currency
