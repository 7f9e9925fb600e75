"""Plans: what customers pay, as products that each have prices.

A plan is never copied to treat one customer differently: what a customer was promised besides stands on the subscription. Nor is a
version changed: a price that changes from a date on is another version with that date.

``flat_fee`` and ``charges`` are a short form, for a plan that needs no products: a fee, and graduated tiers for a meter each.
:attr:`Plan.offer` gives what either form says as products, and nothing else looks at the short one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from ledger.directory.feature import Features, references_of
from ledger.directory.price import Bounded, Included, Price
from ledger.rating.models.flat import Flat
from ledger.rating.models.graduated import Graduated
from ledger.rating.tiers import Tiers
from ledger.schema.currency import Currency
from ledger.schema.decimals import PlainDecimal
from ledger.schema.spec import Name, Part, Reference, Spec

#: What the fee of the short form is called.
FLAT_FEE = "flat fee"


class Charge(Part):
    """What the usage of one meter is charged, in the short form."""

    meter: Name = Field(description="Name of the meter whose quantity is charged.")
    model: Literal["graduated"] = Field(
        default="graduated", description="Price model; graduated, the default, is the only one of the short form."
    )
    tiers: Tiers = Field(
        description="Tiers in rising order; each unit is charged at the price of the tier it falls into."
    )


def _one_per_meter(charges: tuple[Charge, ...]) -> tuple[Charge, ...]:
    seen: set[str] = set()
    for charge in charges:
        if charge.meter in seen:
            raise ValueError(f"meter {charge.meter!r} is charged twice: the same usage would be paid for twice")
        seen.add(charge.meter)
    return charges


def _some(prices: tuple[Price, ...]) -> tuple[Price, ...]:
    if not prices:
        raise ValueError("a product needs at least one price")
    return prices


class Product(Bounded):
    """Something that is sold, with one or more prices."""

    name: Name = Field(description="Name of the product, one of a kind in the plan.")
    title: str | None = Field(default=None, min_length=1, description="What the invoice calls it; its name by default.")
    prices: Annotated[tuple[Price, ...], AfterValidator(_some)] = Field(
        description="Prices in the order in which the invoice shows them."
    )

    @property
    def shown(self) -> str:
        """What the invoice calls it."""
        return self.title or self.name


def _apart(products: tuple[Product, ...]) -> tuple[Product, ...]:
    names: set[str] = set()
    prices: list[Price] = []
    for product in products:
        if product.name in names:
            raise ValueError(f"product {product.name!r} is there twice")
        names.add(product.name)
        for price in product.prices:
            for other in prices:
                _check_apart(other, price)
            prices.append(price)
    return products


def _check_apart(one: Price, two: Price) -> None:
    if one.name == two.name:
        raise ValueError(f"price {one.name!r} is there twice: lines could not be told apart")
    told_apart = any(not set(one.where[name]) & set(two.where[name]) for name in one.where.keys() & two.where.keys())
    if one.meter is not None and one.meter == two.meter and not told_apart:
        raise ValueError(
            f"meter {one.meter!r} is charged by {one.name!r} and by {two.name!r}: the same usage would be paid for twice; "
            "tell the two apart by 'where'"
        )


class Plan(Bounded, Spec):
    """What a customer pays for a billing period."""

    # A period could not be tiled, nor a subscription's invoices be added up, if one of these changed on some date.
    settled: ClassVar[tuple[str, ...]] = ("currency", "interval", "anchor")

    currency: Currency = Field(description="ISO 4217 alphabetic code of every price and amount.")
    interval: Literal["day", "week", "month", "quarter", "year"] = Field(
        default="month", description="Length of a billing period; a month by default; the same for all dates."
    )
    anchor: Literal["calendar", "start"] = Field(
        default="calendar",
        description="Whether billing periods begin as the calendar's do, the default, or on the day on which the subscription began, or moved "
        "here from a plan with other periods.",
    )
    proration: Literal["day", "second", "none"] = Field(
        default="none",
        description="How what goes by time is charged for a part of a billing period: by days, where a change within a day counts from the "
        "beginning of that day on; by seconds; or, the default, whole: what held first is charged for all of the billing period that is not charged "
        "yet, and what changes within it counts from the next one on.",
    )
    products: Annotated[tuple[Product, ...], AfterValidator(_apart)] = Field(
        default=(), description="Products in the order in which the invoice shows them; none by default."
    )
    flat_fee: PlainDecimal = Field(
        default=Decimal(0),
        description="Short form: charged once per billing period whatever the usage, in the currency; 0 by default.",
    )
    charges: Annotated[tuple[Charge, ...], AfterValidator(_one_per_meter)] = Field(
        default=(), description="Short form: graduated tiers per meter, in the order of the invoice; none by default."
    )
    features: Features = Field(
        default=(), description="What customers of the plan may use, and up to how much; nothing by default."
    )

    @model_validator(mode="after")
    def _one_form(self) -> Plan:
        if self.products and (self.flat_fee or self.charges):
            raise ValueError("'products' says all that 'flat_fee' and 'charges' say: give either the one or the others")
        return self

    @cached_property
    def offer(self) -> tuple[Product, ...]:
        """The products, whichever form they are written in."""
        if self.products:
            return self.products
        fee = [Price(name=FLAT_FEE, charge=Flat(model="flat", amount=self.flat_fee))] if self.flat_fee else []
        usage = [
            Price(name=charge.meter, meter=charge.meter, charge=Graduated(model="graduated", tiers=charge.tiers))
            for charge in self.charges
        ]
        # A meter may be called as the fee is; products apart keep their lines apart.
        return tuple(Product(name=price.name, prices=(price,)) for price in (*fee, *usage))

    def prices(self) -> Iterator[tuple[Product, Price]]:
        """Every price with its product, in order."""
        for product in self.offer:
            for price in product.prices:
                yield product, price

    @cached_property
    def bills_ahead(self) -> bool:
        """Whether any price is billed before its billing period."""
        return any(price.billed == "advance" for _, price in self.prices())

    @cached_property
    def allowances(self) -> Mapping[str, Included]:
        """What is included of meters, by price."""
        return {
            price.name: price.included
            for _, price in self.prices()
            if price.meter is not None and price.included is not None
        }

    @cached_property
    def carries(self) -> bool:
        """Whether anything of an allowance is carried from one billing period to the next."""
        return any(price.included is not None and price.included.rollover_periods for _, price in self.prices())

    @cached_property
    def meters(self) -> frozenset[str]:
        """Every meter that a price goes by."""
        return frozenset(meter for _, price in self.prices() for meter in price.meters())

    def references(self) -> tuple[Reference, ...]:
        """Every meter that a price goes by, or that a feature is measured by."""
        short = [Reference("meter", charge.meter, ("charges", at, "meter")) for at, charge in enumerate(self.charges)]
        full = [
            reference
            for number, product in enumerate(self.products)
            for place, price in enumerate(product.prices)
            for reference in price.references(("products", number, "prices", place))
        ]
        return (*short, *full, *references_of(self.features))
