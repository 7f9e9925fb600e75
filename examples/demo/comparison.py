"""What the shop counted itself, set against what the ledger says."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

#: Meter of the ledger, and what the shop calls the same.
METERS = {"requests": "requests", "egress": "egress", "orders": "orders", "order-value": "order_cents"}

#: (tenant, meter) -> quantity
Quantities = Mapping[tuple[str, str], Decimal]


def counted(truth: Mapping[str, Mapping[str, int]]) -> Quantities:
    """The shop's own numbers, in the ledger's units."""
    return {
        (tenant, meter): Decimal(numbers[name]) / (100 if name == "order_cents" else 1)
        for tenant, numbers in truth.items()
        for meter, name in METERS.items()
        if name in numbers
    }


def metered(usage: Mapping[str, Any]) -> Quantities:
    """The ledger's, from ``meterbook usage --json``; the platform's own tenants left out."""
    return {
        (row["tenant"], row["meter"]): Decimal(row["quantity"])
        for row in usage["rows"]
        if row["meter"] in METERS and not row["tenant"].startswith("@")
    }


def table(ours: Quantities, theirs: Quantities) -> str:
    """Both side by side."""
    lines = [f"{'tenant':<10} {'meter':<12} {'shop counted':>16} {'ledger says':>16}"]
    for tenant, meter in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get((tenant, meter)), theirs.get((tenant, meter))
        mark = "" if one == other else "   <- differs"
        lines.append(f"{tenant:<10} {meter:<12} {_text(one):>16} {_text(other):>16}{mark}")
    return "\n".join(lines)


def _text(quantity: Decimal | None) -> str:
    return "-" if quantity is None else f"{quantity:,f}".rstrip("0").rstrip(".") if quantity % 1 else f"{quantity:,.0f}"
