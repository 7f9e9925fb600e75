"""Price books: what things cost by prices that are known, before a bill says it, or where none ever will.

An item prices usage of a meter, or machines of one's own by the hour, and its prices hold one after another::

    kind: price-book
    name: nodes
    spec:
      currency: EUR
      columns: {ServiceName: Amazon EC2}
      items:
        m5.large:
          meter: node-hours
          match: {instance_type: m5.large}
          dimensions: {ResourceId: node}
          prices: [{price: 0.115, until: 2026-07-01}, {price: 0.107, from: 2026-07-01}]
        rack:
          machines: 12
          prices: 0.31

Usage is counted by the hour, and an hour has the price that holds when it begins. Prices of one thing that overlap are refused. So an hour has one
price by a book or none, and what has none is told and never taken for nothing. Several books add up, as price sheets do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from ledger.directory.focus import Column
from ledger.directory.matching import Matchers, Text
from ledger.schema.currency import Currency
from ledger.schema.decimals import PlainDecimal
from ledger.schema.moments import Moment
from ledger.schema.spec import Name, Part, Reference, Spec
from meterbook.wire import instants
from meterbook.wire.sections import COSTS

#: The dimension that every meter has.
TENANT = "tenant"
#: Columns that an estimate has by itself (FOCUS 1.2, "Cost and Usage").
COMPUTED = frozenset(
    {
        *COSTS,
        *("BillingCurrency", "ChargeCategory", "ChargeDescription", "Tags", "source", "day", "month"),
        *("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd"),
        *(
            "PricingQuantity",
            "PricingUnit",
            "PricingCurrency",
            "ListUnitPrice",
            "ContractedUnitPrice",
            "ConsumedQuantity",
            "ConsumedUnit",
        ),
    }
)
_FOREVER_US = 1 << 62


class EventPrice(Part):
    """A price that events tell, each from its time until that of the next one, such as those of a public price list."""

    type: Text = Field(description="Type of the events, such as aws.price or aws.spot_price.")
    match: Matchers = Field(
        default_factory=dict,
        description="What is accepted per property: a value, a list or conditions; all by default.",
    )
    where: Mapping[Text, Text] = Field(
        default_factory=dict,
        description="Property by the dimension of the usage that has to be the same; none by default.",
    )
    price: Text = Field(default="price", description="Property that is the price, in plain digits; price by default.")
    currency: Text | None = Field(
        default="currency",
        description="Property that is the currency, of which only the book's counts; currency by default, null where events have none.",
    )


class DatedPrice(Part):
    """A price, and the time for which it holds."""

    model_config = ConfigDict(serialize_by_alias=True)

    price: PlainDecimal | None = Field(default=None, description="Price of one unit, in the currency; none by default.")
    event: EventPrice | None = Field(default=None, description="Events that tell the price; none by default.")
    from_: Moment | None = Field(
        default=None,
        alias="from",
        description="Since when: RFC 3339, or a date for its midnight UTC; null, the default, since ever.",
    )
    until: Moment | None = Field(
        default=None, description="Until when, exclusive, like from; null, the default, for no end."
    )

    @model_validator(mode="after")
    def _is_one_price_for_some_time(self) -> DatedPrice:
        if (self.price is None) == (self.event is None):
            raise ValueError("give either 'price' or 'event', and not both")
        if self.until_us <= self.from_us:
            raise ValueError(f"until {self.until} is not after from {self.from_}: give a later one")
        return self

    @property
    def from_us(self) -> int:
        """Since when, in microseconds."""
        return -_FOREVER_US if self.from_ is None else instants.parse(self.from_)

    @property
    def until_us(self) -> int:
        """Until when, in microseconds."""
        return _FOREVER_US if self.until is None else instants.parse(self.until)

    def __str__(self) -> str:
        since = "ever" if self.from_ is None else self.from_
        return f"{since} to {'no end' if self.until is None else self.until}"


class _Held(NamedTuple):
    """A price and the item that it is of."""

    item: str
    price: DatedPrice


def _overlap(held: Iterable[_Held]) -> str:
    """What is wrong with prices of the same thing; empty where nothing is."""
    for one, other in pairwise(sorted(held, key=lambda each: (each.price.from_us, each.price.until_us, each.item))):
        if other.price.from_us < one.price.until_us:
            whose = f"{one.item!r} has" if one.item == other.item else f"{one.item!r} and {other.item!r} have"
            return (
                f"{whose} two prices for the same at one time, from {one.price} and from {other.price}: "
                "let one end where the other begins"
            )
    return ""


def _as_prices(written: Any) -> Any:
    return [{"price": written}] if isinstance(written, str | int) and not isinstance(written, bool) else written


def _settable(columns: Mapping[str, str]) -> Mapping[str, str]:
    for column in columns:
        if column in COMPUTED:
            raise ValueError(f"{column!r} follows from usage and price: leave it out")
    return columns


Columns = Annotated[Mapping[Column, Text], AfterValidator(_settable)]


class Item(Part):
    """A thing that has prices: usage of a meter, or machines."""

    meter: Name | None = Field(default=None, description="Meter of the usage that is priced; none by default.")
    machines: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Number of machines that are there in every hour of the prices; none by default."
    )
    match: Matchers = Field(
        default_factory=dict,
        description="What is accepted per dimension of the meter, or for the tenant: a value, a list or conditions; all by default.",
    )
    unit: Text | None = Field(
        default=None,
        description="Unit of the price, such as core-hours, into which quantities are converted exactly; the meter's by default.",
    )
    columns: Columns = Field(
        default_factory=dict,
        description="Further columns of the charges, or others than the book's, by name or Tags.<key>; none by default.",
    )
    dimensions: Columns = Field(
        default_factory=dict,
        description="Columns whose text is that of a dimension of the meter, or the tenant; none by default.",
    )
    prices: Annotated[tuple[DatedPrice, ...], BeforeValidator(_as_prices), Field(min_length=1)] = Field(
        description="Prices that hold one after another; a number alone holds always."
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> Item:
        if (self.meter is None) == (self.machines is None):
            raise ValueError("give either 'meter' or 'machines', and not both")
        if self.machines is not None:
            given = [name for name in ("match", "unit", "dimensions") if getattr(self, name)]
            if given:
                raise ValueError(f"{given[0]!r} goes with 'meter': machines are counted by the hour")
            if any(each.event is not None and each.event.where for each in self.prices):
                raise ValueError("'where' goes with 'meter': machines have no dimensions")
        twice = sorted(self.columns.keys() & self.dimensions.keys())
        if twice:
            raise ValueError(f"{twice[0]!r} stands in 'columns' and in 'dimensions': leave one out")
        return self

    def looks_at(self) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        """The dimensions that it looks at, each with its place in the item."""
        for name in self.match:
            yield name, ("match", name)
        for column, name in self.dimensions.items():
            yield name, ("dimensions", column)
        for place, each in enumerate(self.prices):
            for property_, name in (each.event.where if each.event else {}).items():
                yield name, ("prices", place, "event", "where", property_)


class PriceBook(Spec):
    """Prices by which charges are estimated."""

    settled: ClassVar[tuple[str, ...]] = ("currency",)

    currency: Currency = Field(
        description="ISO 4217 alphabetic code of every price of the book; the same for all dates."
    )
    columns: Columns = Field(
        default_factory=dict,
        description="Columns that all charges have, by name or Tags.<key>; none by default but ServiceName, which is the name of the book.",
    )
    charges_per: Literal["hour", "day"] = Field(
        default="hour", description="Longest period of a charge, hour or day in UTC; hour by default."
    )
    until_billed_by: tuple[Text, ...] | None = Field(
        default=None,
        description="Sources of bills, of which one that stands takes the place of the estimate of its month; any by default, and never with [].",
    )
    items: Annotated[Mapping[Name, Item], Field(min_length=1)] = Field(description="What has prices, by name.")

    @model_validator(mode="after")
    def _prices_do_not_overlap(self) -> PriceBook:
        held: dict[str, list[_Held]] = {}
        for name, item in self.items.items():
            match = {key: each.model_dump(mode="json") for key, each in item.match.items()}
            same = json.dumps([item.meter, match], sort_keys=True) if item.meter is not None else f"machines {name}"
            held.setdefault(same, []).extend(_Held(name, price) for price in item.prices)
        for each in held.values():
            if message := _overlap(each):
                raise ValueError(message)
        return self

    def references(self) -> tuple[Reference, ...]:
        """Every meter with a price."""
        return tuple(
            Reference("meter", item.meter, ("items", name, "meter"))
            for name, item in self.items.items()
            if item.meter is not None
        )
