"""A page as rows, and rows as a month.

Amounts are texts, and are taken as they stand: what would not fit into the book exactly is an error, and so is what is told twice, or of a
day that was not asked for. Half a month looks like a cheap one, so an error is one of the whole month.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from itertools import pairwise
from typing import Any

from collector.aws.costexplorer.months import Due
from meterbook.wire.sections import AMOUNT, COST_LIMIT

#: What is asked for, and as which cost of FOCUS it is told.
BILLED, EFFECTIVE = "UnblendedCost", "AmortizedCost"

#: Digits before the point, as many as the ledger takes (``COST_LIMIT``).
_DIGITS = len(str(COST_LIMIT)) - 1
_PLACES = Decimal(1).scaleb(-AMOUNT.scale)
_EXACT = Context(prec=_DIGITS + AMOUNT.scale, traps=[Inexact, InvalidOperation])
_SHOWN_CHARS_MAX = 80


@dataclass(frozen=True, order=True)
class Row:
    """What a service cost an account on a day. ``is_estimated`` until the provider has closed the month."""

    day: date
    account: str
    service: str
    billed: Decimal
    effective: Decimal
    currency: str
    is_estimated: bool
    account_name: str = ""


def rows(page: Mapping[str, Any], due: Due) -> Iterator[Row]:
    """The rows of a page. Raises ValueError, or KeyError, for one that is not as the service's model says."""
    names = {
        each["Value"]: each.get("Attributes", {}).get("description", "")
        for each in page.get("DimensionValueAttributes", ())
    }
    for result in page["ResultsByTime"]:
        day = date.fromisoformat(result["TimePeriod"]["Start"])
        if not due.month.first <= day < due.until or result["TimePeriod"]["End"] != str(day + timedelta(days=1)):
            raise ValueError(f"{result['TimePeriod']} is no day that was asked for")
        for group in result.get("Groups", ()):
            account, service = group["Keys"]
            billed, currency = _amount(group["Metrics"][BILLED])
            effective, other = _amount(group["Metrics"][EFFECTIVE])
            if other != currency:
                raise ValueError(f"{service} of {day} has a cost in {currency} and one in {other}")
            estimated = bool(result.get("Estimated", False))
            yield Row(day, account, service, billed, effective, currency, estimated, names.get(account, ""))


def in_order(found: Sequence[Row]) -> list[Row]:
    """The rows of a month by day, account and service, however they came. Raises ValueError where one is told twice."""
    ordered = sorted(found)
    for before, after in pairwise(ordered):
        if (before.day, before.account, before.service) == (after.day, after.account, after.service):
            raise ValueError(f"{after.service} of {after.account} on {after.day} is told twice")
    return ordered


def digest(ordered: Sequence[Row]) -> str:
    """What tells a month from the same month with other costs: 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps([astuple(row) for row in ordered], default=str).encode()).hexdigest()[:32]


def _amount(metric: Mapping[str, str]) -> tuple[Decimal, str]:
    told = metric["Amount"]
    shown = repr(told[:_SHOWN_CHARS_MAX])
    try:
        amount = _EXACT.quantize(Decimal(told), _PLACES)
    except Inexact:
        raise ValueError(f"amount {shown} has more than {AMOUNT.scale} digits after the point") from None
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise ValueError(f"amount {shown} is no number below 10^{_DIGITS} in magnitude")
    return amount, metric["Unit"]
