"""What one plan says differently from another, thing by thing, in sentences that whoever sells it can read.

Two plans are compared by what they offer and not by how they are written: the short form and the full one that says the same differ in
nothing. Products and prices are told by their names, which are what lines and promises go by; a price that is called something
else is another price, and customers who were promised something about the old one lose it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from ledger.directory.plan import Plan, Product
from ledger.directory.price import Price
from ledger.rating.models import name_of

_PLAN_FIELDS = ("currency", "interval", "anchor", "proration", "minimum", "maximum")
_PRODUCT_FIELDS = ("title", "minimum", "maximum")
_NUMBERED = re.compile(r"(\w+)\[(\d+)\]")
_WORDS = {
    "up_to": "end",
    "included": "what is included",
    "times": "how often",
    "billed": "when billed",
    "where": "usage it is for",
}


@dataclass(frozen=True)
class Difference:
    """One thing that differs. ``was`` and ``becomes`` are None where there is none; both are as the document has them."""

    what: Literal["added", "removed", "changed"]
    product: str = ""
    price: str = ""
    field: str = ""
    was: Any = None
    becomes: Any = None

    @property
    def sentence(self) -> str:
        """``price 'calls': the unit price of tier 2 goes from 0.002 to 0.001``."""
        if not self.field:
            return f"{self._subject} is {self.what}: {self.becomes if self.what == 'added' else self.was}"
        thing = f"{self._subject}: {_spoken(self.field)}"
        if self.what == "added":
            return f"{thing} is added, {_shown(self.becomes)}"
        if self.what == "removed":
            return f"{thing} is removed, it was {_shown(self.was)}"
        return f"{thing} goes from {_shown(self.was)} to {_shown(self.becomes)}"

    @property
    def _subject(self) -> str:
        if self.price:
            return f"price {self.price!r}"
        return f"product {self.product!r}" if self.product else "the plan"


def differences(before: Plan | None, after: Plan) -> tuple[Difference, ...]:
    """What ``after`` says differently; all of it is added where there was nothing before."""
    return tuple(_differences(before, after))


def _differences(before: Plan | None, after: Plan) -> Iterator[Difference]:
    if before is not None:
        yield from _fields(_only(before, _PLAN_FIELDS), _only(after, _PLAN_FIELDS))
    old, new = _products(before), _products(after)
    for name, product in new.items():
        if name in old:
            yield from _fields(_only(old[name], _PRODUCT_FIELDS), _only(product, _PRODUCT_FIELDS), product=name)
        else:
            yield Difference("added", name, becomes=_counted(product))
    for name in old:
        if name not in new:
            yield Difference("removed", name, was=_counted(old[name]))
    yield from _prices(_by_name(before), _by_name(after))


def _prices(
    old: Mapping[tuple[str, int], tuple[str, Price]], new: Mapping[tuple[str, int], tuple[str, Price]]
) -> Iterator[Difference]:
    for key, (product, price) in new.items():
        if key not in old:
            yield Difference("added", product, price.name, becomes=described(price))
            continue
        was, before = old[key]
        if was != product:
            yield Difference("changed", product, price.name, "product", was, product)
        yield from _fields(_dumped(before), _dumped(price), product=product, price=price.name)
    for key, (product, price) in old.items():
        if key not in new:
            yield Difference("removed", product, price.name, was=described(price))


def described(price: Price) -> str:
    """A price in a few words: its model, what it goes by, and the numbers."""
    of = f" of meter {price.meter!r}" if price.meter else f" of {price.quantity!r} held" if price.quantity else ""
    numbers = _dumped(price.charge)
    numbers.pop("model")
    return f"{name_of(price.charge)}{of}, {_shown(numbers)}"


def _by_name(plan: Plan | None) -> dict[tuple[str, int], tuple[str, Price]]:
    """The prices by name; of the short form a meter may be called as the fee is, so the number of that name tells them apart."""
    found: dict[tuple[str, int], tuple[str, Price]] = {}
    for product, price in plan.prices() if plan is not None else ():
        number = sum(1 for name, _ in found if name == price.name)
        found[price.name, number] = product.name, price
    return found


def _products(plan: Plan | None) -> dict[str, Product]:
    return {product.name: product for product in plan.offer} if plan is not None else {}


def _counted(product: Product) -> str:
    return f"it has {', '.join(repr(price.name) for price in product.prices)}"


def _only(part: BaseModel, fields: Sequence[str]) -> dict[str, Any]:
    dumped = _dumped(part)
    return {name: dumped[name] for name in fields}


def _dumped(part: BaseModel) -> dict[str, Any]:
    """What it says, every default spelt out, as it stands in a document."""
    dumped: dict[str, Any] = part.model_dump(mode="json")
    return dumped


def _fields(old: Any, new: Any, *, at: str = "", product: str = "", price: str = "") -> Iterator[Difference]:
    if old == new or at == "name":
        return
    if isinstance(old, dict) and isinstance(new, dict) and not at.endswith("where"):
        if old.get("model") != new.get("model"):
            yield Difference("changed", product, price, at, old, new)
            return
        for key in dict.fromkeys([*old, *new]):
            inner = f"{at}.{key}" if at else str(key)
            yield from _fields(old.get(key), new.get(key), at=inner, product=product, price=price)
    elif isinstance(old, list) and isinstance(new, list):
        for number in range(max(len(old), len(new))):
            one = old[number] if number < len(old) else None
            two = new[number] if number < len(new) else None
            yield from _fields(one, two, at=f"{at}[{number}]", product=product, price=price)
    elif old is None:
        yield Difference("added", product, price, at, None, new)
    elif new is None:
        yield Difference("removed", product, price, at, old, None)
    else:
        yield Difference("changed", product, price, at, old, new)


def _spoken(field: str) -> str:
    """A field as a person says it: ``charge.tiers[0].unit_price`` is the unit price of tier 1."""
    words = []
    for part in field.split("."):
        numbered = _NUMBERED.fullmatch(part)
        if numbered:
            name, number = numbered.groups()
            words.append(f"{name.removesuffix('s')} {int(number) + 1}")
        elif part != "charge":
            words.append(_WORDS.get(part, part.replace("_", " ")))
    spoken = " of ".join(reversed(words)) or "price model"
    # A tier by itself has a number and no article.
    return spoken if len(words) == 1 and _NUMBERED.fullmatch(field.rpartition(".")[2]) else f"the {spoken}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        told = {key: item for key, item in value.items() if item is not None}
        name = [told.pop("model")] if "model" in told else []
        return ", ".join([*name, *(f"{key} {_shown(item)}" for key, item in told.items())]) or "nothing"
    if isinstance(value, list):
        return "[" + "; ".join(map(_shown, value)) + "]"
    return value if isinstance(value, str) else json.dumps(value)
