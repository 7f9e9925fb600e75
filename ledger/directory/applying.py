"""Applying: what a set of documents would change in a catalog, or everything that speaks against it.

Applying the same documents again changes nothing: a document is unchanged when the newest version with its
effective date has the same canonical text. Anything else becomes a new version, and the old ones stay.

The documents are checked together with what stands already, because they may refer to each other in any order.
What is checked is the state after the apply: every name that is referred to exists; a subscription's plan has a
price from the subscription's first moment on; what must be the same for all dates of a name is; and no tenant
has two subscriptions at one time, since both would be charged for the same usage; what a subscription says agrees with its plans
(``promises``); allocation rules go in no circle (``pools``);
and of two currencies there is one exchange rate at a time (``quotations``).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document, Fault
from ledger.directory.driverunits import unit_faults
from ledger.directory.measurable import feature_faults
from ledger.directory.pools import allocation_faults
from ledger.directory.pricedmeters import price_book_faults
from ledger.directory.promises import subscription_faults
from ledger.directory.quotations import quotation_faults
from ledger.directory.reassignment import Reassignment
from ledger.directory.subscription import Subscription
from ledger.directory.tenant import Tenant
from ledger.directory.versions import Change, Definition, Outcome, Version
from ledger.schema.moments import instant_of
from ledger.schema.spec import Reference, canonical
from meterbook.wire import instants

#: Most names of a kind among which a near one is looked for.
SUGGESTED_FROM_MAX = 200


@dataclass(frozen=True)
class Application:
    """What applying would do: versions to write and one change per document, or faults and nothing else."""

    versions: tuple[Version, ...] = ()
    changes: tuple[Change, ...] = ()
    faults: tuple[Fault, ...] = ()


def plan_changes(catalog: Catalog, documents: Sequence[Document]) -> Application:
    """Compare documents with a catalog. Pure: the caller writes the versions, all of them in one record."""
    draft = _Draft(catalog)
    faults = [fault for document in documents if (fault := draft.add(document)) is not None]
    if not faults:
        faults = [
            fault
            for check in (
                _references,
                _settled,
                _ends,
                _overlaps,
                subscription_faults,
                allocation_faults,
                unit_faults,
                price_book_faults,
                quotation_faults,
                feature_faults,
            )
            for fault in check(draft.after(), documents)
        ]
    if faults:
        return Application(faults=tuple(faults))
    return Application(tuple(draft.versions), tuple(draft.changes))


@dataclass
class _Draft:
    """The versions that the documents add, numbered in the order of the documents."""

    catalog: Catalog
    versions: list[Version] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    _added: list[Definition] = field(default_factory=list)
    _seen: dict[tuple[str, str, int], Document] = field(default_factory=dict)
    _newest: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, document: Document) -> Fault | None:
        kind, name, since_us = document.kind, document.name, document.effective_from_us
        replaces = document.spec.replaces
        earlier = self._seen.setdefault((kind, name, 0 if replaces else since_us), document)
        if earlier is not document:
            when = "" if replaces else " for the same effective date"
            return document.fault(("name",), f"{kind} {name!r} is defined twice{when}, first at {earlier.place}")
        standing = self.catalog.versions(kind, name)
        if replaces:
            standing = tuple(sorted(standing, key=lambda each: each.version))[-1:]
        same_date = [each for each in standing if each.effective_from_us == since_us]
        if same_date and canonical(same_date[-1].spec) == canonical(document.spec):
            self.changes.append(Change(kind, name, same_date[-1].version, "unchanged"))
            return None
        newest = self._newest.get((kind, name), max((each.version for each in standing), default=0))
        self._newest[kind, name] = newest + 1
        outcome: Outcome = "changed" if newest else "created"
        self.changes.append(Change(kind, name, newest + 1, outcome))
        self.versions.append(Version(kind, name, newest + 1, since_us, canonical(document.spec)))
        self._added.append(Definition(kind, name, newest + 1, since_us, document.spec, "", 0))
        return None

    def after(self) -> Catalog:
        return self.catalog.extended(self._added)


def _references(after: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    for document in documents:
        for reference in document.spec.references():
            message = _unmet(after, document, reference)
            if message:
                yield document.fault(("spec", *reference.path), message)


def _unmet(after: Catalog, document: Document, reference: Reference) -> str:
    kind, name = reference.kind, reference.name
    standing = after.versions(kind, name)
    if not standing:
        known = after.names(kind)
        # Comparing a name with every other is slow: thousands of faults times thousands of names would take hours.
        near = difflib.get_close_matches(name, known, n=1) if len(known) <= SUGGESTED_FROM_MAX else []
        return f"there is no {kind} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    if reference.from_moment is None or not isinstance(document.spec, Subscription):
        return ""
    tenant = _newest(after, "tenant", document.spec.tenant)
    if not isinstance(tenant, Tenant):
        return ""
    if after.get(kind, name, instant_of(reference.from_moment, tenant.zone)) is None:
        first = instants.text(standing[0].effective_from_us)
        return f"{kind} {name!r} holds only from {first} on, after {reference.from_moment}"
    return ""


def _settled(after: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    for document in documents:
        dated = {each.effective_from_us: each.spec for each in _all(after, document)}
        for settled in document.spec.settled:
            mine = getattr(document.spec, settled)
            for date_us, spec in dated.items():
                other = getattr(spec, settled)
                if other != mine:
                    since = "the beginning" if date_us == 0 else instants.text(date_us)
                    yield document.fault(
                        ("spec", settled),
                        f"{_told(mine)} differs from {_told(other)}, which {document.kind} {document.name!r} has from {since} on: "
                        f"the {settled} must be the same for all dates",
                    )


def _ends(_: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    for document in documents:
        if isinstance(document.spec, Reassignment):
            message = document.spec.ends_before(document.effective_from_us)
            if message:
                yield document.fault(("spec", "until"), message)


def _told(value: object) -> str:
    return repr(value) if isinstance(value, str) else f"({value})"


def _all(after: Catalog, document: Document) -> tuple[Definition, ...]:
    return after.versions(document.kind, document.name)


def _overlaps(after: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    touched = {
        each.spec.tenant if isinstance(each.spec, Subscription) else each.name
        for each in documents
        if each.kind in ("subscription", "tenant")
    }
    by_tenant: dict[str, list[tuple[int, float, str]]] = {tenant: [] for tenant in touched}
    for name, subscription in after.subscriptions().items():
        tenant = _newest(after, "tenant", subscription.tenant)
        if subscription.tenant in touched and isinstance(tenant, Tenant):
            start_us, end_us = subscription.bounds(tenant.zone)
            if end_us is None or end_us > start_us:
                until = float("inf") if end_us is None else end_us
                by_tenant[subscription.tenant].append((start_us, until, name))
    for tenant_name, held in sorted(by_tenant.items()):
        for (_, until, one), (start_us, _, two) in pairwise(sorted(held)):
            if start_us < until:
                yield _blamed(documents, one, two, tenant_name)


def _blamed(documents: Sequence[Document], one: str, two: str, tenant: str) -> Fault:
    """The fault, at one of the two subscriptions, or at the tenant whose corrected time zone moved them."""
    message = f"subscriptions {one!r} and {two!r} of tenant {tenant!r} overlap: the same usage would be charged twice"
    for document in reversed(documents):
        if document.kind == "subscription" and document.name in (one, two):
            return document.fault(("spec", "start"), message)
    moved = next(each for each in documents if each.kind == "tenant" and each.name == tenant)
    return moved.fault(("spec", "timezone"), message)


def _newest(after: Catalog, kind: str, name: str) -> object:
    versions = after.versions(kind, name)
    return versions[-1].spec if versions else None
