"""Lots: usage that has a price, added up by the periods of charges, and the charges that it makes.

A cost is quantity x price. Quantities have nine digits after the point, and a cost has eighteen: where a price has no more than nine, and no unit
is converted, the product is exact; else it is rounded half to even in the eighteenth, once for each charge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Context, Decimal
from fractions import Fraction
from functools import cached_property

import numpy as np
import pyarrow as pa

from ledger.costing.profiles import numbered
from ledger.costing.using import sums, wide
from ledger.directory.focus import tag_of
from ledger.journal.derive import TABLES
from ledger.journal.quantity import NANO, PLACES
from ledger.schema.decimals import FRACTION_DIGITS_MAX, plain_text
from meterbook.wire.sections import AMOUNT, COST_LIMIT, COSTS
from meterbook.wire.series import canonical_json

_UNIT = 10**AMOUNT.scale
_EXACT = Context(prec=200)
_OWN_COLUMNS = ("BillingAccountId", "SubAccountId", "ServiceName", "ResourceId")


@dataclass(frozen=True)
class Units:
    """The unit in which usage is ``metered``, that which is ``priced``, and how many of the second one of the first is."""

    metered: str
    priced: str
    factor: Fraction


@dataclass(frozen=True)
class Rows:
    """Usage that has a price: columns of equal length.

    ``group`` is the place of the texts of its charge, ``price`` that of its price, ``nano`` its quantity in units of 10^-9 of the metered unit.
    """

    start_us: np.ndarray
    end_us: np.ndarray
    group: np.ndarray
    price: np.ndarray
    nano: np.ndarray

    def __len__(self) -> int:
        return len(self.nano)


@dataclass(frozen=True)
class Lot:
    """Charges of one item: a row each, by period and then by texts. ``texts`` has the columns that rows of a group have in common."""

    item: str
    texts: Sequence[Mapping[str, str]]
    rows: Rows
    prices: Sequence[Decimal]
    units: Units

    @cached_property
    def costs(self) -> np.ndarray:
        """The cost of each row in units of 10^-18, as Python's integers."""
        found = np.zeros(len(self.rows), object)
        for place, price in enumerate(self.prices):
            at = np.flatnonzero(self.rows.price == place)
            each = self.units.factor * Fraction(price) * Fraction(_UNIT, NANO)
            found[at] = half_even(wide(self.rows.nano[at]) * each.numerator, each.denominator)
        return found

    def within_limits(self) -> Lot:
        """The rows whose cost the book can add up."""
        kept = np.abs(self.costs) < COST_LIMIT * _UNIT
        rows = Rows(*(getattr(self.rows, each.name)[kept] for each in fields(Rows)))
        return replace(self, rows=rows)


def lot(item: str, texts: Sequence[Mapping[str, str]], used: Rows, prices: Sequence[Decimal], units: Units) -> Lot:
    """The lot of some usage, which is added up where charges are the same."""
    keys = [used.start_us, used.end_us, used.group, used.price]
    order = np.lexsort(keys[::-1])
    codes, places = numbered([key[order] for key in keys], len(order))
    start_us, end_us, group, price = (key[order][places] for key in keys)
    nano = sums(codes, used.nano[order], len(places))
    return Lot(item, texts, Rows(start_us, end_us, group, price, nano), prices, units)


def half_even(numbers: np.ndarray, divisor: int) -> np.ndarray:
    """Quotients of Python's integers, rounded to the nearest and half to even."""
    if divisor == 1:
        return numbers
    whole, rest = numbers // divisor, numbers % divisor
    twice = 2 * rest
    up: np.ndarray = (twice > divisor) | ((twice == divisor) & (whole % 2 == 1))
    rounded: np.ndarray = whole + up.astype(object)
    return rounded


def charges_of(book: str, source: str, currency: str, place: tuple[int, str, int], lots: Sequence[Lot]) -> pa.Table:
    """The charges of some lots, as the table ``charges`` has them. ``place`` is the month, the version and the position."""
    period_us, version, position = place
    pieces = [_columns(book, currency, each) for each in lots]
    columns = {name: [value for piece in pieces for value in piece[name]] for name in pieces[0]} if pieces else {}
    count = len(columns["others"]) if columns else 0
    told: dict[str, object] = {
        **columns,
        "source": [source] * count,
        "period": [period_us] * count,
        "version": [version] * count,
        "line": range(count),
        "position": [position] * count,
        "BillingCurrency": [currency] * count,
        "ChargeCategory": ["Usage"] * count,
    }
    schema = TABLES["charges"]
    return pa.table([pa.array(told.get(field.name, ()), field.type) for field in schema], schema=schema)


def _columns(book: str, currency: str, made: Lot) -> dict[str, list[object]]:
    rows = made.rows
    costs = [Decimal(cost).scaleb(-AMOUNT.scale, _EXACT) for cost in made.costs.tolist()]
    groups = rows.group.tolist()
    tags = [canonical_json(_tags(texts)) for texts in made.texts]
    others = [_others(book, made.item, texts) for texts in made.texts]
    prices = [plain_text(price) for price in made.prices]
    each = list(zip(groups, rows.nano.tolist(), rows.price.tolist(), strict=True))
    # Machines and nodes are there for whole hours: few documents differ.
    documents = {
        (group, nano, price): canonical_json({**others[group], **_pricing(currency, made.units, nano, prices[price])})
        for group, nano, price in set(each)
    }
    return {
        **dict.fromkeys(COSTS, costs),
        **{name: [made.texts[group].get(name, "") for group in groups] for name in _OWN_COLUMNS},
        "ChargePeriodStart": rows.start_us.tolist(),
        "ChargePeriodEnd": rows.end_us.tolist(),
        "Tags": [tags[group] for group in groups],
        "others": [documents[key] for key in each],
    }


def _pricing(currency: str, units: Units, nano: int, price: str) -> dict[str, str]:
    """Quantities and prices (FOCUS 1.2, "Cost and Usage")."""
    consumed = plain_text(Decimal(nano).scaleb(-PLACES, _EXACT))
    return {
        "ConsumedQuantity": consumed,
        "ConsumedUnit": units.metered,
        "PricingQuantity": consumed if units.factor == 1 else _quantity_text(Fraction(nano, NANO) * units.factor),
        "PricingUnit": units.priced,
        "PricingCurrency": currency,
        "ListUnitPrice": price,
        "ContractedUnitPrice": price,
    }


def _quantity_text(quantity: Fraction) -> str:
    """A quantity in plain digits, rounded half to even in the eighteenth after the point."""
    whole = round(quantity * 10**FRACTION_DIGITS_MAX)
    return plain_text(Decimal(whole).scaleb(-FRACTION_DIGITS_MAX, _EXACT))


def _tags(texts: Mapping[str, str]) -> dict[str, str]:
    return {tag: text for name, text in texts.items() if (tag := tag_of(name)) is not None}


def _others(book: str, item: str, texts: Mapping[str, str]) -> dict[str, str]:
    kept = {name: text for name, text in texts.items() if name not in _OWN_COLUMNS and tag_of(name) is None}
    return {"ChargeDescription": f"{item} by the price book {book}", **kept}
