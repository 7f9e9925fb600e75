"""Rows of CUR 2.0 (table ``COST_AND_USAGE_REPORT``) as rows of FOCUS. Each column stays in ``others`` under its own name, too.

What a kind of line item (``line_item_line_item_type``; Data Exports user guide, "Line item columns") is in FOCUS 1.2::

    kind                      category    billed     effective
    Usage                     Usage       unblended  unblended
    DiscountedUsage           Usage       unblended  reservation_effective_cost
    SavingsPlanCoveredUsage   Usage       0          savings_plan_savings_plan_effective_cost
    SavingsPlanNegation       Adjustment  0          0
    SavingsPlanUpfrontFee     Purchase    unblended  0
    SavingsPlanRecurringFee   Purchase    unblended  what of the commitment was not used
    RIFee                     Purchase    unblended  what of the reservation was not used
    Fee                       Purchase    unblended  0 for a reservation, else unblended
    Tax                       Tax         unblended  unblended
    Credit                    Credit      unblended  unblended
    Refund, discounts, others Adjustment  unblended  unblended

Usage that a savings plan covers is told by CUR at what it would cost without, and taken back by a negation of the same amount. BilledCost is
without what was paid for by one-time or recurring fees ("FOCUS 1.2 with AWS columns", BilledCost): here both are 0, and the plan is billed.
Effective costs are the amortized costs of AWS's CUR query library. The list cost is ``pricing_public_on_demand_cost``; where that is null, and
for all that is no usage, it is the unblended cost. The contracted cost is the unblended cost, but for reservations the list cost.

Where split cost allocation is on, a parent is followed by rows of its parts, which have ``split_line_item_parent_resource_id``. The parent is billed,
so that its parts cost nothing here; what they are said to cost stays in ``others``, and nothing is added up twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.bills.amounts import amounts, first_row, rows_of
from collector.datastore.bills.documents import blank, texts
from collector.datastore.bills.refused import Refused
from meterbook.wire.sections import AMOUNT

MARK = "line_item_line_item_type"
_UNBLENDED = "line_item_unblended_cost"
#: Columns of FOCUS and the columns of CUR that they are.
SAME = {
    "BillingPeriodStart": "bill_billing_period_start_date",
    "BillingAccountId": "bill_payer_account_id",
    "BillingCurrency": "line_item_currency_code",
    "ChargePeriodStart": "line_item_usage_start_date",
    "ChargePeriodEnd": "line_item_usage_end_date",
}
_MAYBE = {"SubAccountId": "line_item_usage_account_id", "ResourceId": "line_item_resource_id"}
#: Where a column of FOCUS that must not be null comes from.
ORIGINS = {**SAME, "BilledCost": _UNBLENDED, "ChargeCategory": MARK}
MANDATORY = (MARK, _UNBLENDED, *SAME.values(), "line_item_product_code")
_CATEGORIES = {
    "Usage": "Usage",
    "DiscountedUsage": "Usage",
    "SavingsPlanCoveredUsage": "Usage",
    "SavingsPlanUpfrontFee": "Purchase",
    "SavingsPlanRecurringFee": "Purchase",
    "RIFee": "Purchase",
    "Fee": "Purchase",
    "Tax": "Tax",
    "Credit": "Credit",
}
_NOTHING = pa.scalar(0, AMOUNT)


def as_focus(columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """Rows of CUR with the columns of FOCUS that charges are made from, and all of their own. Raises Refused."""
    row = _Rows(columns)
    kinds = row.text(MARK)
    found = {name: columns[cur] for name, cur in SAME.items()}
    found |= {name: columns[cur] for name, cur in _MAYBE.items() if cur in columns}
    found["ServiceName"] = pc.coalesce(row.text("product_servicecode"), row.text("line_item_product_code"))
    found["ChargeCategory"] = _category(kinds)
    if "resource_tags" in columns:
        found["Tags"] = columns["resource_tags"]
    found |= _costs(row, kinds)
    return {**{name: column for name, column in columns.items() if name != "resource_tags"}, **found}


class _Rows:
    """The columns of some rows, those that the export has not as nulls."""

    def __init__(self, columns: Mapping[str, pa.Array]) -> None:
        self._columns = columns
        self.count = len(columns[MARK])

    def text(self, name: str) -> pa.Array:
        if name not in self._columns:
            return pa.nulls(self.count, pa.utf8())
        return texts(name, blank(self._columns[name]))

    def amount(self, name: str) -> pa.Array:
        if name not in self._columns:
            return pa.nulls(self.count, AMOUNT)
        return amounts(name, blank(self._columns[name]))

    def needed(self, name: str, rows: pa.Array) -> pa.Array:
        """An amount that these rows must have."""
        found = self.amount(name)
        missing = rows_of(pc.and_(rows, pc.is_null(found)))
        if missing.any():
            raise Refused(f"{name} is null, or is not exported, and the row is a commitment's", first_row(missing))
        return found


def _category(kinds: pa.Array) -> pa.Array:
    place = pc.index_in(kinds, pa.array(list(_CATEGORIES)))
    return pc.fill_null(pa.array(list(_CATEGORIES.values())).take(place), "Adjustment")


def _costs(row: _Rows, kinds: pa.Array) -> dict[str, pa.Array]:
    is_part = pc.is_valid(row.text("split_line_item_parent_resource_id"))
    unblended = row.amount(_UNBLENDED)

    def are(*named: str) -> pa.Array:
        return pc.and_(pc.fill_null(pc.is_in(kinds, pa.array(named)), False), pc.invert(is_part))

    covered, negated, reserved = are("SavingsPlanCoveredUsage"), are("SavingsPlanNegation"), are("DiscountedUsage")
    is_usage = are("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage")
    public = pc.coalesce(pc.if_else(is_usage, row.amount("pricing_public_on_demand_cost"), None), unblended)
    costs = {
        "BilledCost": pc.if_else(pc.or_(covered, negated), _NOTHING, unblended),
        "EffectiveCost": pc.if_else(negated, _NOTHING, _effective(row, are, unblended)),
        "ListCost": pc.if_else(negated, _NOTHING, public),
        "ContractedCost": pc.if_else(negated, _NOTHING, pc.if_else(reserved, public, unblended)),
    }
    return {name: pc.if_else(is_part, _NOTHING, column) for name, column in costs.items()}


def _effective(row: _Rows, are: Callable[..., pa.Array], unblended: pa.Array) -> pa.Array:
    covered, reserved = are("SavingsPlanCoveredUsage"), are("DiscountedUsage")
    plan, reservation = are("SavingsPlanRecurringFee"), are("RIFee")
    committed = row.needed("savings_plan_total_commitment_to_date", plan)
    used = row.needed("savings_plan_used_commitment", plan)
    upfront = pc.fill_null(row.amount("reservation_unused_amortized_upfront_fee_for_billing_period"), 0)
    recurring = row.needed("reservation_unused_recurring_fee", reservation)
    is_reserved = pc.is_valid(row.text("reservation_reservation_a_r_n"))
    paid_before = pc.or_(are("SavingsPlanUpfrontFee"), pc.and_(are("Fee"), is_reserved))
    cases = (
        (covered, row.needed("savings_plan_savings_plan_effective_cost", covered)),
        (reserved, row.needed("reservation_effective_cost", reserved)),
        (plan, pc.subtract(_wide(committed), _wide(used)).cast(AMOUNT)),
        (reservation, pc.add(_wide(upfront), _wide(recurring)).cast(AMOUNT)),
        (paid_before, _NOTHING),
    )
    found = unblended
    for rows, cost in cases:
        found = pc.if_else(rows, cost, found)
    return found


def _wide(column: pa.Array) -> pa.Array:
    # Arrow adds no decimals that could get more digits than they have room for.
    return column.cast(pa.decimal256(60, AMOUNT.scale))
