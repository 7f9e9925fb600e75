"""What the bills that stand add up to, by any column of FOCUS.

A question is one statement to the tables. Currencies are never added to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledger.costing.bills import Bill, lines_of
from ledger.costing.columns import TEXTS, TIMES, NoSuchColumn, told
from ledger.journal.view import View
from meterbook.wire.sections import COSTS


@dataclass(frozen=True)
class ChargeSum:
    """Charges of one currency that have the same in the columns asked about: how many, and their costs."""

    group: Mapping[str, str]
    currency: str
    charges: int
    costs: Mapping[str, Decimal]


@dataclass(frozen=True)
class ChargeSums:
    """The first of some sums, and how many there are."""

    first: list[ChargeSum]
    count: int


def charge_sums(
    view: View, standing: Sequence[Bill], by: Sequence[str], start_us: int, end_us: int, limit: int
) -> ChargeSums:
    """Sums of the charges whose period begins in [start, end), the greatest billed first. Raises NoSuchColumn.

    A column that a charge does not have is "", like one that is empty. One that is no charge's in that range is refused: it is misspelt.
    """
    groups = [told(name, 5 + place) for place, name in enumerate(by)]
    keys = "".join(f"coalesce({expression}, '') AS by_{place}, " for place, (expression, _) in enumerate(groups))
    has = "".join(f", count({expression}) AS has_{place}" for place, (expression, _) in enumerate(groups))
    had = "".join(f", max(has_{place}) OVER () AS had_{place}" for place in range(len(groups)))
    sums = ", ".join(f'sum("{name}")::DECIMAL(38, 18) AS "{name}"' for name in COSTS)
    order = "".join(f", by_{place}" for place in range(len(groups)))
    lines = lines_of(standing)
    # There may be as many groups as charges: only those that are asked for leave the tables.
    rows = view.tables.query(
        f'WITH sums AS (SELECT {keys}"BillingCurrency" AS currency, count(*) AS charges, {sums}{has} FROM ({lines.sql})'  # noqa: S608
        ' WHERE "ChargePeriodStart" >= make_timestamp($2) AND "ChargePeriodStart" < make_timestamp($3) GROUP BY ALL)'
        f" SELECT *, count(*) OVER () AS sums_total{had} FROM sums"
        f' ORDER BY "BilledCost" DESC, currency{order} LIMIT $4',
        [view.position, start_us, end_us, limit, *(parameter for _, parameter in groups)],
        lines.given,
    ).to_pylist()
    for place, name in enumerate(by):
        if rows and not rows[0][f"had_{place}"]:
            raise NoSuchColumn(f"no charge here has {name!r}; every one has {', '.join([*TEXTS, *TIMES])}")
    found = [
        ChargeSum(
            {name: row[f"by_{place}"] for place, name in enumerate(by)},
            row["currency"],
            row["charges"],
            {name: row[name] for name in COSTS},
        )
        for row in rows
    ]
    return ChargeSums(found, rows[0]["sums_total"] if rows else 0)
