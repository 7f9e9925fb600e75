"""Rules about names: things that are called alike, and names behind which there is nothing in the given files.

A file may refer to what another one defines that was not given. So a name is missed only where the files define others of
its kind: plans that are checked alone say nothing about meters.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from ledger.directory.documents import Document
from ledger.directory.linting.files import Files, Remark
from ledger.directory.plan import Plan
from ledger.directory.subscription import Subscription
from ledger.directory.tenant import Tenant
from ledger.rating.models.attribute import Attribute
from ledger.rating.models.matrix import Matrix
from ledger.schema.spec import Path

_NAMES_SHOWN = 10


def unknown_meter(files: Files) -> Iterator[Remark]:
    """A price goes by a meter that the files do not define, though they define others."""
    if not files.meters:
        return
    for document in files.documents:
        for reference in document.spec.references():
            if document.kind == "plan" and reference.kind == "meter" and reference.name not in files.meters:
                yield Remark(
                    document,
                    ("spec", *reference.path),
                    f"no meter {reference.name!r} is defined in these files",
                    _advice(reference.name, files.meters, "define it, or give the file that does"),
                )


def unknown_dimension(files: Files) -> Iterator[Remark]:
    """A price goes by a dimension that its meter does not keep, so it would find no usage."""
    for each in files.prices():
        named: dict[str, Path] = {name: (*each.path, "where", name) for name in each.price.where}
        # What the model counts beside the quantity is narrowed by the price's own 'where' as well.
        beside = [(meter, named) for meter in each.price.charge.meters()]
        of_cells = dict(named)
        if isinstance(each.price.charge, Matrix):
            for number, cell in enumerate(each.price.charge.cells):
                for name in cell.where:
                    of_cells.setdefault(name, (*each.model_path, "cells", number, "where", name))
        for name_of_meter, looked_at in [(each.price.meter or "", of_cells), *beside]:
            meter = files.meters.get(name_of_meter)
            for name, path in looked_at.items():
                if meter is not None and name not in meter.group_by:
                    yield Remark(
                        each.document,
                        path,
                        f"price {each.price.name!r}: usage of meter {name_of_meter!r} has no dimension {name!r}",
                        _advice(name, meter.group_by, "keep it by group_by of the meter, or leave it out"),
                    )


def unknown_attribute(files: Files) -> Iterator[Remark]:
    """A price goes by an attribute that no tenant in the files has, though they have others."""
    known = {name for _, tenant in files.of(Tenant) for name in tenant.attributes}
    for each in files.models():
        if known and isinstance(each.model, Attribute) and each.model.attribute not in known:
            yield Remark(
                each.document,
                (*each.path, "attribute"),
                f"{each.label}: no tenant in these files has the attribute {each.model.attribute!r}, so all pay 'otherwise'",
                _advice(each.model.attribute, known, "give tenants the attribute"),
            )


def unknown_price(files: Files) -> Iterator[Remark]:
    """A promise or a commitment names a price or product that no plan of the subscription has."""
    for document, subscription, override, path in files.overrides():
        if override.price is not None:
            yield from _missed(files, document, subscription, "price", override.price, (*path, "price"))
        if override.product is not None:
            yield from _missed(files, document, subscription, "product", override.product, (*path, "product"))
    for document, subscription in files.of(Subscription):
        for number, commitment in enumerate(subscription.commitments):
            for name in commitment.products:
                at: Path = ("spec", "commitments", number, "products")
                yield from _missed(files, document, subscription, "product", name, at)


def unknown_tier(files: Files) -> Iterator[Remark]:
    """A promise is for a tier that the price does not have."""
    for document, subscription, override, path in files.overrides():
        prices = [
            price
            for plan in _plans(files, subscription) or ()
            for _, price in plan.prices()
            if price.name == override.price
        ]
        most = max((len(getattr(price.charge, "tiers", ())) for price in prices), default=None)
        if override.tier is not None and most is not None and override.tier > most:
            yield Remark(
                document,
                (*path, "tier"),
                f"promise {override.name!r}: price {override.price!r} has no tier {override.tier}, it has {most}",
                "name a tier that there is, counted from 1, or leave it out for all of them",
            )


def same_title(files: Files) -> Iterator[Remark]:
    """Two prices, or two products, have one title: lines of an invoice could not be told apart."""
    shown: dict[tuple[int, str], str] = {}
    for each in files.prices():
        price = each.price
        # A meter of the short form may be called as the fee is, and has only its name.
        first = shown.setdefault((id(each.document), _alike(price.shown)), price.name)
        if first != price.name:
            yield Remark(
                each.document,
                (*each.path, "title"),
                f"prices {first!r} and {price.name!r} are both shown as {price.shown!r}",
                "give each a title of its own, or customers cannot tell what they pay for",
            )
    for document, plan in files.of(Plan):
        products: dict[str, str] = {}
        for number, product in enumerate(plan.products):
            first = products.setdefault(_alike(product.shown), product.name)
            if first != product.name:
                yield Remark(
                    document,
                    ("spec", "products", number, "title"),
                    f"products {first!r} and {product.name!r} are both shown as {product.shown!r}",
                    "give each a title of its own",
                )


def _missed(
    files: Files, document: Document, subscription: Subscription, kind: str, name: str, path: Path
) -> Iterator[Remark]:
    plans = _plans(files, subscription)
    if plans is None:
        return
    known = {
        found
        for plan in plans
        for product, price in plan.prices()
        for found in [price.name if kind == "price" else product.name]
    }
    if name not in known:
        yield Remark(
            document,
            path,
            f"no plan of the subscription has a {kind} {name!r}, so this changes nothing",
            _advice(name, known, f"name a {kind} that the plan has"),
        )


def _plans(files: Files, subscription: Subscription) -> list[Plan] | None:
    """All versions of all plans of a subscription; None where one of them is not in the files."""
    names = [subscription.plan, *(move.plan for move in subscription.moves)]
    if any(name not in files.plans for name in names):
        return None
    return [plan for name in names for plan in files.plans[name]]


def _alike(title: str) -> str:
    return " ".join(title.split()).casefold()


def _advice(name: str, known: Collection[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    if near:
        return f"did you mean {near[0]!r}? else {otherwise}"
    shown = ", ".join(sorted(known)[:_NAMES_SHOWN])
    return f"{otherwise}; there are {shown}" if shown else otherwise
