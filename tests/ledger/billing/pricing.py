"""Amounts for the second opinion: models, discounts and bounds, in fractions, written from what the documents say of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Document = Mapping[str, Any]
#: What a line is told by: role, product, price, name.
Key = tuple[str, str, str, str]
#: Quantity, unit price or None, amount, tier.
Detail = tuple[Fraction, Fraction | None, Fraction, int]


@dataclass
class Sum:
    """What a price, a product or a plan comes to so far: exact, in coins, and by key."""

    exact: Fraction = Fraction(0)
    coins: Fraction = Fraction(0)

    def add(self, exact: Fraction, coins: Fraction) -> None:
        self.exact += exact
        self.coins += coins


def rounded(amount: Fraction, coins: int) -> Fraction:
    """Half-even, which is what round does."""
    return Fraction(round(amount * coins), coins)


def rated(model: Document, quantity: Fraction, about: Mapping[str, str]) -> list[Detail]:
    """What a model charges for a quantity and a whole period."""
    one, kind = Fraction(1), model["model"]
    if kind == "flat":
        return [(one, Fraction(model["amount"]), Fraction(model["amount"]), 0)]
    if kind == "attribute":
        amount = Fraction(model["amounts"].get(about.get(model["attribute"]), model.get("otherwise", "0")))
        return [(one, amount, amount, 0)]
    if quantity <= 0:
        return []
    if kind == "per_unit":
        price = Fraction(model["unit_price"])
        return [(quantity, price, quantity * price, 0)]
    if kind == "package":
        packages = -(-quantity // Fraction(model["size"]))
        return [(quantity, None, packages * Fraction(model["amount"]), 0)]
    found: list[Detail] = []
    lower = Fraction(0)
    for number, tier in enumerate(model["tiers"], 1):
        upper = Fraction(tier["up_to"]) if tier.get("up_to") is not None else None
        price, once = Fraction(tier["unit_price"]), Fraction(tier.get("amount", "0"))
        if kind == "volume" and (upper is None or quantity <= upper):
            return [(quantity, price, quantity * price + once, number)]
        if kind == "graduated" and quantity > lower:
            part = (quantity if upper is None else min(quantity, upper)) - lower
            found.append((part, price, part * price + once, number))
        lower = upper if upper is not None else lower
    return found


def discounts(
    of: Sum,
    promised: Sequence[Document],
    share: Fraction,
    coins: int,
    product: str,
    price: str,
    pieces: Sequence[tuple[list[Detail], Fraction]],
) -> Iterator[tuple[Key, Fraction]]:
    for each in promised:
        details = [
            (detail, part) for found, part in pieces for detail in found if each.get("tier") in (None, detail[3])
        ]
        if "charge" in each:
            continue
        if "amount" in each:
            off = Fraction(each["amount"]) * share
        elif "per_unit" in each:
            less = Fraction(each["per_unit"])
            off = sum(
                (
                    part * (min(less * quantity, amount) if unit is None else quantity * min(less, unit))
                    for (quantity, unit, amount, _), part in details
                ),
                Fraction(0),
            )
        elif "tier" in each:
            off = sum((part * amount for (_, _, amount, _), part in details), Fraction(0))
            off *= Fraction(each["percent"]) / 100
        else:
            off = of.exact * Fraction(each["percent"]) / 100
        off = min(off, of.exact)
        # Who is let off everything pays nothing, however the lines were rounded.
        paid = of.coins if off == of.exact else min(rounded(off, coins), of.coins)
        if paid > 0:
            of.add(-off, -paid)
            yield ("discount", product, price, each["name"]), -paid


def bounds(
    of: Sum, told: Document, share: Fraction, coins: int, plan: Document, product: str, price: str
) -> Iterator[tuple[Key, Fraction]]:
    if "minimum" in told and of.coins < (least := rounded(Fraction(told["minimum"]) * share, coins)):
        missing = least - of.coins
        of.add(missing, missing)
        yield ("minimum", product, price, ""), missing
    elif "maximum" in told:
        if plan.get("proration", "none") == "none":
            share = Fraction(1)
        most = rounded(Fraction(told["maximum"]) * share, coins)
        if of.coins > most:
            over = of.coins - most
            of.add(-over, -over)
            yield ("maximum", product, price, ""), -over
