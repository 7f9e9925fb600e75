"""A month as a version of a bill, and what asking for it cost.

FOCUS wants more than Cost Explorer knows. BilledCost is the unblended cost, EffectiveCost the amortized one. What the list or a contract
would have asked is not known, and no column may be empty: ListCost and ContractedCost repeat BilledCost, and say nothing. ChargeCategory is
``Usage`` for everything, since taxes, fees, credits and usage of a service are one amount here (FOCUS 1.2, "Cost and Usage", those columns).
``Estimated`` among the others says whether the provider has closed the day's month.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Context, Decimal, Inexact

import pyarrow as pa

from collector.aws.costexplorer.answers import Row, digest
from collector.aws.costexplorer.config import CostExplorerConfig
from collector.aws.costexplorer.months import Month, midnight_us
from collector.aws.spending import Spent
from collector.readings import bill_table, sample_table
from meterbook.wire.instants import text
from meterbook.wire.sections import AMOUNT, CHARGES
from meterbook.wire.series import Series, canonical_json

#: A counter of the collector's own.
REQUESTS = "cost_explorer_requests_total"

#: As many charges as there can be (``charges_max``), each below the limit of the ledger, add up to less than this holds.
_SUMMED = Context(prec=AMOUNT.precision, traps=[Inexact])


def charges(config: CostExplorerConfig, month: Month, version: str, ordered: Sequence[Row]) -> pa.Table:
    """The rows of a month as charges (schema ``CHARGES``), numbered in their order."""
    count = len(ordered)
    starts = [midnight_us(row.day) for row in ordered]
    ends = [midnight_us(row.day + timedelta(days=1)) for row in ordered]
    billed = pa.array([row.billed for row in ordered], AMOUNT)
    columns = {
        "source": [config.source] * count,
        "period": _times([month.start_us] * count),
        "version": [version] * count,
        "line": range(count),
        "BilledCost": billed,
        "EffectiveCost": pa.array([row.effective for row in ordered], AMOUNT),
        "ListCost": billed,
        "ContractedCost": billed,
        "BillingCurrency": [row.currency for row in ordered],
        "ChargeCategory": ["Usage"] * count,
        "BillingAccountId": [config.owner] * count,
        "SubAccountId": [row.account for row in ordered],
        "ServiceName": [row.service for row in ordered],
        "ResourceId": [""] * count,
        "ChargePeriodStart": _times(starts),
        "ChargePeriodEnd": _times(ends),
        "Tags": ["{}"] * count,
        "others": [canonical_json(_others(row)) for row in ordered],
    }
    return pa.table(columns, schema=CHARGES)


def bill(config: CostExplorerConfig, month: Month, version: str, ordered: Sequence[Row], issued_us: int) -> pa.Table:
    """What closes a version (schema ``BILLS``): how many charges there are, and what they add up to."""
    billed = Decimal(0)
    for row in ordered:
        billed = _SUMMED.add(billed, row.billed)
    return bill_table(
        config.source,
        month.start_us,
        version,
        nature="reconciliation",
        issued_us=issued_us,
        charges=len(ordered),
        billed=billed,
    )


def version_of(ordered: Sequence[Row], issued_us: int) -> str:
    """What tells a version of a month from all others: when it was read, and what it says."""
    return f"{text(issued_us)}/{digest(ordered)[:12]}"


def requests(config: CostExplorerConfig, spent: Spent, time_us: int) -> tuple[Series, pa.Table]:
    """How often was asked, as a counter: its series and one sample."""
    attributes = canonical_json({"account": config.owner})
    series = Series(config.source, REQUESTS, "counter", "", canonical_json({}), attributes, spent.since_us)
    return series, sample_table([series.series_id], [time_us], [float(spent.requests)])


def _others(row: Row) -> dict[str, str]:
    told = {"Estimated": "true" if row.is_estimated else "false"}
    return {**told, "SubAccountName": row.account_name} if row.account_name else told


def _times(instants_us: Sequence[int]) -> pa.Array:
    return pa.array(instants_us, pa.int64()).cast(CHARGES.field("period").type)
