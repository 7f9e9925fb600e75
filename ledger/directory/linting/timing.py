"""Rules about when something is charged, for how long a promise holds, and what is left of an amount once it is rounded."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from pydantic import BaseModel

from ledger.directory.linting.files import Files, Modelled, Remark
from ledger.rating.models.graduated import Graduated
from ledger.rating.models.per_unit import PerUnit
from ledger.rating.rounding import round_exact
from ledger.schema.currency import minor_unit
from ledger.schema.decimals import exact, plain_text
from ledger.schema.spec import Path

_HUNDRED = Decimal(100)
#: Fields that are amounts of money on a line by themselves, and not factors of a quantity.
_AMOUNTS = ("amount", "minimum", "maximum", "otherwise", "amounts")


def endless_full_discount(files: Files) -> Iterator[Remark]:
    """A promise takes off everything and has no end."""
    for document, _, override, path in files.overrides():
        if override.percent == _HUNDRED and override.until is None:
            yield Remark(
                document,
                (*path, "percent"),
                f"promise {override.name!r} makes it free for ever",
                "say by 'until' when it ends",
            )


def advance_once(files: Files) -> Iterator[Remark]:
    """What is charged once is billed before anything has begun."""
    for each in files.prices():
        if each.price.times == "once" and each.price.billed == "advance":
            yield Remark(
                each.document,
                (*each.path, "billed"),
                f"price {each.price.name!r} is charged once and billed in advance: it is invoiced before the first billing period begins",
                "leave 'billed' out, and it comes with the first invoice",
            )


def unprorated_seats(files: Files) -> Iterator[Remark]:
    """What is held is charged whole for a billing period, so changes in the middle of it are never charged."""
    for each in files.prices():
        if each.price.quantity is not None and each.plan.proration == "none":
            when = "billed in advance" if each.price.billed == "advance" else "charged"
            yield Remark(
                each.document,
                (*each.path, "quantity"),
                f"price {each.price.name!r}: {each.price.quantity!r} is {when} as it stands when a billing period begins, and nothing "
                "is prorated: what is added in the middle is free until the next one",
                "give the plan 'proration: day' or 'second'",
            )


def rounds_to_nothing(files: Files) -> Iterator[Remark]:
    """A line comes to less than half a coin, and so to nothing."""
    for each in files.models():
        if each.currency is None:
            continue
        for path, quantity, price in _lines(each):
            with exact():
                amount = quantity * price
            if amount and not round_exact(amount, each.currency):
                yield Remark(
                    each.document,
                    path,
                    f"{each.label}: a line of {plain_text(quantity)} at {plain_text(price)} is {plain_text(amount)} {each.currency} and is rounded to 0",
                    f"the smallest amount of {each.currency} is {plain_text(minor_unit(each.currency))}: raise the price, or measure in a larger unit",
                )


def finer_than_a_coin(files: Files) -> Iterator[Remark]:
    """An amount cannot be paid as it is written."""
    for each in files.models():
        if each.currency is not None:
            for path, amount in _amounts(each.model, each.path):
                rounded = round_exact(amount, each.currency)
                if rounded != amount:
                    yield Remark(
                        each.document,
                        path,
                        f"{each.label}: {plain_text(amount)} {each.currency} cannot be paid: it is rounded to {rounded}",
                        f"write a multiple of {plain_text(minor_unit(each.currency))}",
                    )


def _lines(each: Modelled) -> Iterator[tuple[Path, Decimal, Decimal]]:
    """The greatest line of each tier that has an end, and one unit of what is held: quantity and price.

    A unit of usage alone is no line to look at: thousands of requests at a tenth of a cent are what such prices are for.
    """
    model = each.model
    if isinstance(model, Graduated):
        lower = Decimal(0)
        for number, tier in enumerate(model.tiers):
            with exact():
                upper = tier.up_to if tier.up_to is not None else lower + 1
                held = upper - lower
            if not tier.amount and (tier.up_to is not None or each.is_held):
                yield (*each.path, "tiers", number, "unit_price"), held, tier.unit_price
            lower = upper
    elif isinstance(model, PerUnit) and each.is_held:
        yield (*each.path, "unit_price"), Decimal(1), model.unit_price


def _amounts(part: BaseModel, at: Path) -> Iterator[tuple[Path, Decimal]]:
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Decimal) and name in _AMOUNTS:
            # The one 'otherwise' that is the price of a unit is beside cells.
            if not hasattr(part, "cells"):
                yield (*at, name), value
        elif name == "amounts":
            yield from (((*at, name, key), amount) for key, amount in value.items())
        elif name == "tiers":
            for number, tier in enumerate(value):
                yield from _amounts(tier, (*at, name, number))
