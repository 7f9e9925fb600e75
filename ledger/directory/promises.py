"""What a subscription says, against what it can only be checked with: its tenant's zone, and its plans.

A date and a time can be put in order where the zone is known. A promise for a price that no plan has would never be kept, and nobody would notice but the
customer. Amounts of two currencies cannot be added up, so all plans of a subscription have one.

A subscription is checked when it is written, and again when its tenant or one of its plans is.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from zoneinfo import ZoneInfo

from ledger.directory.agreement import Override
from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document, Fault
from ledger.directory.plan import Plan
from ledger.directory.price import Price
from ledger.directory.subscription import Subscription
from ledger.directory.tenant import Tenant
from ledger.schema.spec import Path


def subscription_faults(after: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    """What subscriptions say that does not agree with their tenants and plans."""
    written = {(each.kind, each.name): each for each in documents}
    if not any(kind in ("subscription", "tenant", "plan") for kind, _ in written):
        return
    for name, subscription in after.subscriptions().items():
        about = [
            ("subscription", name),
            ("tenant", subscription.tenant),
            *(("plan", each) for each in subscription.plans),
        ]
        blamed = next((written[key] for key in about if key in written), None)
        if blamed is None:
            continue
        for path, message in _disagreements(after, subscription):
            if blamed.kind == "subscription":
                yield blamed.fault(("spec", *path), message)
            else:
                yield blamed.fault(("spec",), f"subscription {name!r}: {message}")


def _disagreements(after: Catalog, subscription: Subscription) -> Iterator[tuple[Path, str]]:
    zone = _zone(after, subscription.tenant)
    if zone is not None:
        for message in subscription.disorder(zone):
            yield (), message
    plans = {name: _versions(after, name) for name in subscription.plans}
    # A plan that there is not, is told of where references are.
    if not all(plans.values()):
        return
    currency = plans[subscription.plan][-1].currency
    for at, move in enumerate(subscription.moves):
        other = plans[move.plan][-1].currency
        if other != currency:
            yield (
                ("moves", at, "plan"),
                f"plan {move.plan!r} is in {other}, and plan {subscription.plan!r} in {currency}: end this subscription and begin another one",
            )
    offered = [pair for versions in plans.values() for plan in versions for pair in plan.prices()]
    products = {product.name for product, _ in offered}
    for at, override in enumerate(subscription.overrides):
        yield from _of_override(at, override, products, [price for _, price in offered])
    for at, commitment in enumerate(subscription.commitments):
        for name in commitment.products:
            if name not in products:
                yield ("commitments", at, "products"), _missing("product", name, products)


def _of_override(
    at: int, override: Override, products: Collection[str], prices: Sequence[Price]
) -> Iterator[tuple[Path, str]]:
    if override.product is not None and override.product not in products:
        yield ("overrides", at, "product"), _missing("product", override.product, products)
    if override.price is None:
        return
    meant = [price for price in prices if price.name == override.price]
    if not meant:
        yield ("overrides", at, "price"), _missing("price", override.price, {price.name for price in prices})
    elif override.charge is not None and all(price.charge.of != override.charge.of for price in meant):
        yield (
            ("overrides", at, "charge"),
            f"it goes by {override.charge.of}, and the price {override.price!r} by {meant[-1].charge.of}",
        )


def _missing(kind: str, name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"no plan of the subscription has a {kind} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _versions(after: Catalog, name: str) -> list[Plan]:
    return [each.spec for each in after.versions("plan", name) if isinstance(each.spec, Plan)]


def _zone(after: Catalog, name: str) -> ZoneInfo | None:
    versions = after.versions("tenant", name)
    tenant = versions[-1].spec if versions else None
    return tenant.zone if isinstance(tenant, Tenant) else None
