"""Rows of bills: those of FOCUS from somebody else's generator, and some of CUR 2.0 of each kind of line item."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from functools import cache

from focus_data_toolkit.generators import get_generator

#: The billing period of what the generator gives.
MONTH = "2026-05"


@cache
def focus_csv(rows: int, seed: int = 7, version: str = "1.2", provider: str = "aws") -> bytes:
    """A file of FOCUS."""
    made: bytes = get_generator(provider, version).generate_csv_bytes(rows, seed)
    return made


def focus_rows(rows: int, seed: int = 7, version: str = "1.2", provider: str = "aws") -> list[dict[str, str]]:
    """The same, row by row."""
    return list(csv.DictReader(io.StringIO(focus_csv(rows, seed, version, provider).decode("utf-8-sig"))))


def billed(rows: list[dict[str, str]], column: str = "BilledCost") -> Decimal:
    """What rows add up to."""
    return sum((Decimal(row[column]) for row in rows), Decimal(0))


def cur_row(kind: str, unblended: str, **others: str) -> dict[str, str]:
    """A line item of CUR 2.0."""
    row = {
        "identity_line_item_id": f"{kind}-{unblended}",
        "bill_billing_period_start_date": "2026-05-01T00:00:00Z",
        "bill_payer_account_id": "000000000001",
        "line_item_usage_account_id": "000000000042",
        "line_item_line_item_type": kind,
        "line_item_product_code": "AmazonEC2",
        "product_servicecode": "",
        "line_item_resource_id": "i-1",
        "line_item_currency_code": "USD",
        "line_item_usage_start_date": "2026-05-02T00:00:00Z",
        "line_item_usage_end_date": "2026-05-02T01:00:00Z",
        "line_item_unblended_cost": unblended,
        "pricing_public_on_demand_cost": "",
        "reservation_reservation_a_r_n": "",
        "reservation_effective_cost": "",
        "reservation_unused_amortized_upfront_fee_for_billing_period": "",
        "reservation_unused_recurring_fee": "",
        "savings_plan_savings_plan_effective_cost": "",
        "savings_plan_total_commitment_to_date": "",
        "savings_plan_used_commitment": "",
        "split_line_item_parent_resource_id": "",
        "split_line_item_split_cost": "",
        "resource_tags": json.dumps({"user_team": "core"}),
    }
    assert others.keys() <= row.keys()
    return {**row, **others}


#: One of each kind, with what it is to be: category, billed, effective, list and contracted cost.
CUR = [
    (cur_row("Usage", "0.5", pricing_public_on_demand_cost="0.6"), "Usage", "0.5", "0.5", "0.6", "0.5"),
    (
        cur_row("DiscountedUsage", "0", reservation_effective_cost="0.3", pricing_public_on_demand_cost="0.6"),
        "Usage",
        "0",
        "0.3",
        "0.6",
        "0.6",
    ),
    (
        cur_row(
            "SavingsPlanCoveredUsage",
            "0.9",
            savings_plan_savings_plan_effective_cost="0.7",
            pricing_public_on_demand_cost="1",
        ),
        "Usage",
        "0",
        "0.7",
        "1",
        "0.9",
    ),
    (cur_row("SavingsPlanNegation", "-0.9"), "Adjustment", "0", "0", "0", "0"),
    (cur_row("SavingsPlanUpfrontFee", "100"), "Purchase", "100", "0", "100", "100"),
    (
        cur_row(
            "SavingsPlanRecurringFee",
            "1",
            savings_plan_total_commitment_to_date="1",
            savings_plan_used_commitment="0.7",
        ),
        "Purchase",
        "1",
        "0.3",
        "1",
        "1",
    ),
    (
        cur_row(
            "RIFee",
            "20",
            reservation_unused_amortized_upfront_fee_for_billing_period="1.5",
            reservation_unused_recurring_fee="0.25",
        ),
        "Purchase",
        "20",
        "1.75",
        "20",
        "20",
    ),
    (cur_row("Fee", "50", reservation_reservation_a_r_n="arn:r"), "Purchase", "50", "0", "50", "50"),
    (cur_row("Fee", "5"), "Purchase", "5", "5", "5", "5"),
    (cur_row("Tax", "0.19"), "Tax", "0.19", "0.19", "0.19", "0.19"),
    (cur_row("Credit", "-3"), "Credit", "-3", "-3", "-3", "-3"),
    (cur_row("Refund", "-2"), "Adjustment", "-2", "-2", "-2", "-2"),
    (cur_row("EdpDiscount", "-0.01"), "Adjustment", "-0.01", "-0.01", "-0.01", "-0.01"),
    (
        cur_row("Usage", "0.5", split_line_item_parent_resource_id="i-1", split_line_item_split_cost="0.2"),
        "Usage",
        "0",
        "0",
        "0",
        "0",
    ),
]
