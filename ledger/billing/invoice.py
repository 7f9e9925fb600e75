"""Draft invoices: a pure function of terms and usage.

The same terms and the same usage give the same invoice, to the byte and in the same order: flat fee first, then
the plan's charges in the plan's order, each with its tiers from the bottom up. Every line keeps its exact amount
beside the rounded one. A line is rounded once; the lines of one charge are rounded together, so that they sum to
the charge, and the total is the plain sum of the lines: whoever adds up an invoice by hand gets its total.

The draft says how well the usage behind it was observed. It is one figure, the observed part of the time that
was expected to be observed, over all meters that the plan charges; usage of other meters does not count. It is
rounded down, so that 1 means all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ledger.billing.period import Period
from ledger.billing.terms import Terms
from ledger.directory.decimals import plain_text, portion, total
from ledger.directory.plan import Charge
from ledger.metering.usage import Usage
from ledger.rating.models import rate
from ledger.rating.rounding import round_amount, round_lines

FLAT_FEE = "flat fee"


@dataclass(frozen=True)
class InvoiceLine:
    """One line. ``meter`` and ``unit`` are empty for the flat fee; ``exact`` is the amount before rounding."""

    description: str
    meter: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    exact: Decimal
    amount: Decimal


@dataclass(frozen=True)
class Invoice:
    """A draft. ``as_of`` is the journal position it was drawn at; ``coverage`` is None where nothing is expected."""

    as_of: int
    tenant: str
    subscription: str
    plan: str
    plan_version: int
    period: Period
    billed: Period
    currency: str
    lines: tuple[InvoiceLine, ...]
    total: Decimal
    coverage: Decimal | None


def draft(terms: Terms, usage: Iterable[Usage], as_of: int) -> Invoice:
    """The invoice for the usage of ``terms.billed``, in any order of rows, windows or totals.

    Raises ValueError where a row is another tenant's, lies in another period, or has another unit than the
    rows of its meter before it: such usage cannot be charged here without being wrong.
    """
    charged = {charge.meter for charge in terms.plan.charges}
    rows = [row for row in usage if _belongs(row, terms) and row.meter in charged]
    lines = _flat_fee(terms)
    for charge in terms.plan.charges:
        lines += _charge_lines(charge, [row for row in rows if row.meter == charge.meter], terms.plan.currency)
    return Invoice(
        as_of=as_of,
        tenant=terms.tenant,
        subscription=terms.subscription,
        plan=terms.plan_name,
        plan_version=terms.plan_version,
        period=terms.period,
        billed=terms.billed,
        currency=terms.plan.currency,
        lines=tuple(lines),
        total=round_amount(total(line.amount for line in lines), terms.plan.currency),
        coverage=portion(sum(row.observed_us for row in rows), sum(row.expected_us for row in rows)),
    )


def _belongs(row: Usage, terms: Terms) -> bool:
    if row.tenant != terms.tenant:
        raise ValueError(f"usage of tenant {row.tenant!r} cannot stand on an invoice of tenant {terms.tenant!r}")
    if row.window_us is not None and not terms.billed.holds(row.window_us):
        raise ValueError(f"usage of meter {row.meter!r} in window {row.window_us} is not in {terms.billed}")
    return True


def _flat_fee(terms: Terms) -> list[InvoiceLine]:
    """The line of the fee; none where the plan has no fee."""
    fee = terms.plan.flat_fee
    if not fee:
        return []
    amount = round_amount(fee, terms.plan.currency)
    return [InvoiceLine(FLAT_FEE, "", Decimal(1), "", fee, fee, amount)]


def _charge_lines(charge: Charge, rows: list[Usage], currency: str) -> list[InvoiceLine]:
    """The lines of one charge; none where nothing was used."""
    units = sorted({row.unit for row in rows})
    if len(units) > 1:
        raise ValueError(
            f"usage of meter {charge.meter!r} has several units, {', '.join(units)}, and cannot be added up"
        )
    rated = rate(total(row.quantity for row in rows), charge)
    amounts = round_lines([line.amount for line in rated], currency)
    return [
        InvoiceLine(
            f"{charge.meter}: {_grouped(line.quantity)} at {plain_text(line.unit_price)}",
            charge.meter,
            line.quantity,
            units[0],
            line.unit_price,
            line.amount,
            amount,
        )
        for line, amount in zip(rated, amounts, strict=True)
    ]


def _grouped(quantity: Decimal) -> str:
    """``1,000.5``: digits in threes before the point, no zeros at the end after it."""
    whole, _, fraction = plain_text(quantity).partition(".")
    return f"{int(whole):,}" + (f".{fraction}" if fraction else "")
