"""What the bills that stand add up to, by any column of FOCUS.

A question is one statement to the tables. Columns that every charge has are columns there; all others, and tags, leave the documents in
which they stand. Currencies are never added to each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledger.costing.bills import Bill, lines_of
from ledger.journal.view import View
from meterbook.wire.sections import CHARGES, COSTS

#: What a charge can be grouped by besides the columns of FOCUS, and how it is told.
_TIMES = {
    "day": "strftime(\"ChargePeriodStart\", '%Y-%m-%d')",
    "month": "strftime(\"ChargePeriodStart\", '%Y-%m')",
    "BillingPeriodStart": "strftime(period, '%Y-%m-%dT%H:%M:%SZ')",
    "ChargePeriodStart": "strftime(\"ChargePeriodStart\", '%Y-%m-%dT%H:%M:%SZ')",
    "ChargePeriodEnd": "strftime(\"ChargePeriodEnd\", '%Y-%m-%dT%H:%M:%SZ')",
}
_COLUMNS = ("source", *(name for name in CHARGES.names if name[0].isupper() and CHARGES.field(name).type == "string"))
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
_TAG = re.compile(r"Tags\.(.{1,256})", re.DOTALL)


class NoSuchColumn(ValueError):
    """Something that no charge can be grouped by; the message names it and what there is."""


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
    groups = [_told(name, 5 + place) for place, name in enumerate(by)]
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
        {"wanted": lines.wanted},
    ).to_pylist()
    for place, name in enumerate(by):
        if rows and not rows[0][f"had_{place}"]:
            raise NoSuchColumn(f"no charge here has {name!r}; every one has {', '.join([*_COLUMNS, *_TIMES])}")
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


def _told(name: str, place: int) -> tuple[str, str]:
    """How a group is told, and its parameter, which every one has: a JSON pointer (RFC 6901), or a text that adds nothing."""
    if name in _TIMES:
        return f"{_TIMES[name]} || ${place}", ""
    if name in _COLUMNS:
        return f'"{name}" || ${place}', ""
    if tag := _TAG.fullmatch(name):
        return f'json_extract_string("Tags", ${place})', _pointer(tag[1])
    if _COLUMN.fullmatch(name):
        return f"json_extract_string(others, ${place})", _pointer(name)
    raise NoSuchColumn(f"{name!r} is no column: give one of FOCUS, Tags.<key>, day or month")


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")
