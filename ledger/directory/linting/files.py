"""What rules look at: the definitions of some files, and everything in them that has a price.

A plan has two forms and a promise may bring a price model of its own, so a rule that walked the documents itself would soon see
one place and miss another. Here each place is found once, with the path at which it was written, and rules only judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from ledger.directory.agreement import Override
from ledger.directory.documents import Document, field_text
from ledger.directory.meter import Meter
from ledger.directory.plan import Plan, Product
from ledger.directory.price import Price
from ledger.directory.subscription import Subscription
from ledger.rating.model import Model
from ledger.schema.spec import Path, Spec

Kind = TypeVar("Kind", bound=Spec)


@dataclass(frozen=True)
class Finding:
    """Something that is probably a mistake: where (``file:line`` and the dotted field), by which rule, what is wrong, and what to do."""

    place: str
    field: str
    rule: str
    sentence: str
    advice: str


@dataclass(frozen=True)
class Remark:
    """What a rule says of one field of a document."""

    document: Document
    path: Path
    sentence: str
    advice: str

    def finding(self, rule: str) -> Finding:
        """The remark with its place in words."""
        place = self.document.fault(self.path, "").place
        return Finding(place, field_text(self.path), rule, self.sentence, self.advice)


@dataclass(frozen=True)
class Priced:
    """A price of a plan; ``path`` is where it is written, ``model_path`` where its model is."""

    document: Document
    plan: Plan
    product: Product
    price: Price
    path: Path
    model_path: Path


@dataclass(frozen=True)
class Modelled:
    """A price model, of a plan or of a promise; ``currency`` is None where no plan says it."""

    document: Document
    path: Path
    model: Model
    label: str
    currency: str | None = None
    is_held: bool = False


@dataclass(frozen=True)
class Files:
    """The documents of some files, which are valid each by itself."""

    documents: tuple[Document, ...]

    def of(self, kind: type[Kind]) -> Iterator[tuple[Document, Kind]]:
        """The documents of one kind, in order."""
        for document in self.documents:
            if isinstance(document.spec, kind):
                yield document, document.spec

    @cached_property
    def meters(self) -> dict[str, Meter]:
        """The meters by name; of several dates the last one written."""
        return {document.name: meter for document, meter in self.of(Meter)}

    @cached_property
    def plans(self) -> dict[str, list[Plan]]:
        """The versions of each plan by its name."""
        found: dict[str, list[Plan]] = {}
        for document, plan in self.of(Plan):
            found.setdefault(document.name, []).append(plan)
        return found

    def prices(self) -> Iterator[Priced]:
        """Every price of every plan, whichever form it is written in."""
        for document, plan in self.of(Plan):
            if plan.products:
                for number, product in enumerate(plan.products):
                    for place, price in enumerate(product.prices):
                        at: Path = ("spec", "products", number, "prices", place)
                        yield Priced(document, plan, product, price, at, (*at, "charge"))
                continue
            # The short form has the fee first, where there is one, and then a product for each charge.
            fees = len(plan.offer) - len(plan.charges)
            for number, product in enumerate(plan.offer):
                at = ("spec", "flat_fee") if number < fees else ("spec", "charges", number - fees)
                yield Priced(document, plan, product, product.prices[0], at, at)

    def models(self) -> Iterator[Modelled]:
        """Every price model: those of prices, and those that promises put in their place."""
        for each in self.prices():
            price, currency = each.price, each.plan.currency
            label = f"price {price.name!r}"
            yield Modelled(each.document, each.model_path, price.charge, label, currency, price.quantity is not None)
        for document, subscription, override, path in self.overrides():
            if override.charge is not None:
                plans = self.plans.get(subscription.plan, [])
                currency_of = plans[-1].currency if plans else None
                held = any(
                    price.quantity for plan in plans for _, price in plan.prices() if price.name == override.price
                )
                at, label = (*path, "charge"), f"promise {override.name!r}"
                yield Modelled(document, at, override.charge, label, currency_of, held)

    def overrides(self) -> Iterator[tuple[Document, Subscription, Override, Path]]:
        """Every promise of every subscription, and where it is written."""
        for document, subscription in self.of(Subscription):
            for number, override in enumerate(subscription.overrides):
                yield document, subscription, override, ("spec", "overrides", number)
