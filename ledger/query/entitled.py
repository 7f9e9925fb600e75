"""Entitlements as the wire gives them, from a snapshot in memory or from the book as of a position: the same function makes both."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ledger.billing.entitlement import Right, Rights
from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.directory.plan import Plan
from ledger.directory.subscription import Subscription
from ledger.journal.journal import Journal
from ledger.query.allowances import NoSuchTenant, Snapshot, snapshot_at
from ledger.query.questions import BadQuestion, Book, suggestion
from ledger.schema.decimals import parse_plain, plain_text
from meterbook.ledger.v1 import entitlement_pb2
from meterbook.wire import instants


def check(
    snapshot: Snapshot, request: entitlement_pb2.CheckEntitlementRequest, at_us: int, *, sees_all: bool
) -> entitlement_pb2.CheckEntitlementResponse:
    """Whether a tenant may use a feature. Raises BadQuestion, NotCounted."""
    if not request.feature:
        raise BadQuestion("feature: name the feature that is to be used")
    asked = _quantity(request.quantity)
    rights = _rights(snapshot, request.tenant, at_us, sees_all=sees_all)
    if request.feature not in rights.by_name:
        _check_known(snapshot.catalog, request.feature, sees_all=sees_all)
    return entitlement_pb2.CheckEntitlementResponse(
        entitlement=_entitlement(snapshot, request.tenant, rights, rights.of(request.feature), asked),
        as_of=snapshot.position,
        counted_until=_time(snapshot.counted_us),
        at=instants.text(at_us),
    )


def every(
    snapshot: Snapshot, request: entitlement_pb2.ListEntitlementsRequest, at_us: int, *, sees_all: bool
) -> entitlement_pb2.ListEntitlementsResponse:
    """What a tenant has of every feature. Raises BadQuestion, NotCounted."""
    rights = _rights(snapshot, request.tenant, at_us, sees_all=sees_all)
    return entitlement_pb2.ListEntitlementsResponse(
        entitlements=[
            _entitlement(snapshot, request.tenant, rights, right, None) for _, right in sorted(rights.by_name.items())
        ],
        as_of=snapshot.position,
        counted_until=_time(snapshot.counted_us),
        at=instants.text(at_us),
    )


def check_as_of(
    journal: Journal, request: entitlement_pb2.CheckEntitlementRequest, sees_all: bool
) -> entitlement_pb2.CheckEntitlementResponse:
    """The same as of a position, at the time of the book. Raises BadQuestion, JournalError."""
    snapshot = _snapshot(journal, request.as_of, request.tenant, sees_all=sees_all)
    return check(snapshot, request, snapshot.at_us, sees_all=sees_all)


def every_as_of(
    journal: Journal, request: entitlement_pb2.ListEntitlementsRequest, sees_all: bool
) -> entitlement_pb2.ListEntitlementsResponse:
    """The same as of a position, at the time of the book. Raises BadQuestion, JournalError."""
    snapshot = _snapshot(journal, request.as_of, request.tenant, sees_all=sees_all)
    return every(snapshot, request, snapshot.at_us, sees_all=sees_all)


def unit_of(catalog: Catalog, meter: str) -> str:
    """The unit of a meter, which is the same for all dates; "" where there is no such meter."""
    versions = catalog.versions("meter", meter)
    return versions[-1].spec.unit if versions and isinstance(versions[-1].spec, Meter) else ""


def _snapshot(journal: Journal, as_of: int, tenant: str, *, sees_all: bool) -> Snapshot:
    book = Book.at(journal, as_of)
    try:
        return snapshot_at(book.view, book.catalog, tenant, book.view.time_us)
    except NoSuchTenant as error:
        raise _unknown(book.catalog, tenant, sees_all=sees_all) from error


def _rights(snapshot: Snapshot, tenant: str, at_us: int, *, sees_all: bool) -> Rights:
    if not tenant:
        raise BadQuestion("tenant: name the tenant who is to use it")
    try:
        return snapshot.rights_at(tenant, at_us)
    except NoSuchTenant as error:
        raise _unknown(snapshot.catalog, tenant, sees_all=sees_all) from error


def _unknown(catalog: Catalog, tenant: str, *, sees_all: bool) -> BadQuestion:
    known = f"; {suggestion(tenant, catalog.names('tenant'))}" if sees_all else ""
    return BadQuestion(f"tenant: there is no tenant {tenant!r}{known}")


def _check_known(catalog: Catalog, feature: str, *, sees_all: bool) -> None:
    """Raises BadQuestion for a feature that nobody has: a misspelt name must not look like one that was not bought."""
    known = sorted(set(_names(catalog)))
    if feature not in known:
        # Names of features may tell of other tenants.
        hint = f"; {suggestion(feature, known)}" if sees_all else ""
        raise BadQuestion(f"feature: no plan has a feature {feature!r}{hint}")


def _names(catalog: Catalog) -> Iterable[str]:
    for name in catalog.names("plan"):
        for version in catalog.versions("plan", name):
            if isinstance(version.spec, Plan):
                yield from (feature.name for feature in version.spec.features)
    for subscription in catalog.subscriptions().values():
        assert isinstance(subscription, Subscription)
        yield from (feature.name for feature in subscription.features)


def _quantity(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        return parse_plain(text)
    except ValueError as error:
        raise BadQuestion(f"quantity: {error}") from error


def _entitlement(
    snapshot: Snapshot, tenant: str, rights: Rights, right: Right, asked: Decimal | None
) -> entitlement_pb2.Entitlement:
    feature, found = right.feature, snapshot.judged(tenant, right, asked)
    is_limited = right.limit is not None and not right.denial
    return entitlement_pb2.Entitlement(
        feature=feature.name,
        title=feature.shown,
        allowed=found.is_allowed,
        reason=found.reason,
        meter=feature.meter or "",
        unit=unit_of(snapshot.catalog, feature.meter) if feature.meter else "",
        limit="" if right.limit is None else plain_text(right.limit),
        used="" if right.period is None or right.denial else plain_text(found.used),
        remaining="" if found.remaining is None else plain_text(found.remaining),
        over=plain_text(found.over) if is_limited else "",
        kind=feature.kind if right.limit is not None else "",
        period_start="" if right.period is None else instants.text(right.period.start_us),
        period_end="" if right.period is None else instants.text(right.period.end_us),
        reached=found.reached,
        subscription=rights.subscription,
        plan=rights.plan,
        plan_version=rights.plan_version,
    )


def _time(at_us: int) -> str:
    return instants.text(at_us) if at_us else ""
