"""Unit cost: what one unit of what a meter measures cost, such as a request, a gigabyte or a core-hour.

It is what tenants bear by the rules that divide in proportion to the meter, divided by the tenants' quantity of it in the same month. What is idle, shared or nobody's
is in neither, and neither is the usage of platform workloads: it is in proportion, so it makes no difference to the quotient.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ledger.costing.amounts import exact_total
from ledger.costing.serving import Served
from ledger.costing.targets import bearer, is_own
from ledger.metering.usage import Usage
from ledger.schema.decimals import portion

#: Digits after the point that are shown of a unit cost, which is a quotient and may have no end: more where a small one would have fewer significant ones.
UNIT_COST_DIGITS, SIGNIFICANT_DIGITS = 18, 6
_PERCENT_DIGITS = 2


@dataclass(frozen=True)
class Measured:
    """What tenants used of a meter in a month; ``coverage`` is the observed part of the expected time, None where nothing is expected."""

    quantity: Decimal
    coverage: Decimal | None


@dataclass(frozen=True)
class Borne:
    """What tenants bear by the rules of a meter in one currency."""

    currency: str
    cost: Decimal


def measured(usage: Iterable[Usage]) -> Measured:
    """The usage of one meter that tenants can bear the cost of: that of platform workloads, and of nobody, is none of theirs."""
    rows = [row for row in usage if not is_own(bearer(row.tenant)[0])]
    coverage = portion(sum(row.observed_us for row in rows), sum(row.expected_us for row in rows))
    return Measured(exact_total(row.quantity for row in rows), coverage)


def borne(rows: Iterable[Served], meter: str) -> list[Borne]:
    """What tenants bear by the rules that divide in proportion to a meter, by currency."""
    costs: dict[str, list[Decimal]] = {}
    for row in rows:
        if meter in row.basis.meters and not is_own(row.target):
            costs.setdefault(row.currency, []).append(row.cost)
    return [Borne(currency, exact_total(each)) for currency, each in sorted(costs.items())]


def unit_cost(cost: Decimal, quantity: Decimal) -> Fraction | None:
    """Cost by quantity, exactly; None of no quantity."""
    return None if quantity <= 0 else Fraction(cost) / Fraction(quantity)


def shown_unit_cost(value: Fraction) -> Decimal:
    """A unit cost, rounded half-even to ``UNIT_COST_DIGITS`` digits after the point, or ``SIGNIFICANT_DIGITS`` significant ones if that is finer."""
    zeros = len(str(int(1 / abs(value)))) - 1 if value else 0
    return _rounded(value, max(UNIT_COST_DIGITS, zeros + SIGNIFICANT_DIGITS))


def change_percent(before: Fraction | None, after: Fraction | None) -> Decimal | None:
    """By how much a unit cost rose, in percent with two digits, half-even; None where there is nothing to compare with."""
    if before is None or after is None or before <= 0:
        return None
    return _rounded((after / before - 1) * 100, _PERCENT_DIGITS)


def _rounded(value: Fraction, digits: int) -> Decimal:
    # Read from text, a number of any length is exact.
    return Decimal(f"{round(value * 10**digits)}E-{digits}")
