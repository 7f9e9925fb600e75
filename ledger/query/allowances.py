"""What every tenant may use and has used, kept in memory per journal position, so that an application can ask before it serves.

An answer of the book itself costs milliseconds per meter before it has read a row. So rights and usage of all tenants are worked out at
once, by one thread, whenever the book has moved, and answers are taken from what was worked out last. Nothing is ever guessed: a
:class:`Snapshot` says which record is the last that it counts, and until when everything that was acknowledged is in it.

What is kept between two snapshots is what cannot have changed: definitions that were read, rights until the instant at which they
end, and sums of entries until something is booked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ledger.billing.entitlement import Entitlement, Right, Rights, judged, rights_of
from ledger.directory.catalog import Catalog
from ledger.directory.plan import Plan
from ledger.directory.standing import catalog_of
from ledger.directory.subscription import Subscription
from ledger.directory.versions import Definition
from ledger.journal.journal import Journal
from ledger.journal.record import DEFINITIONS_CHAIN
from ledger.journal.view import View
from ledger.query.counted import Counted, Used
from meterbook.wire import instants

_NONE = Decimal(0)


class NotCounted(LookupError):
    """Usage of a time that was not counted yet: it will be once the book is looked at again."""


class NoSuchTenant(LookupError):
    """No tenant of this name is defined."""


@dataclass(frozen=True)
class Snapshot:
    """What everybody had and had used as of ``position``, for the instant ``at_us``; what was acknowledged until ``counted_us`` is in it."""

    position: int
    at_us: int
    counted_us: int
    catalog: Catalog = field(repr=False)
    rights: Mapping[str, Rights] = field(repr=False)
    used: Used = field(repr=False)

    def rights_at(self, tenant: str, at_us: int) -> Rights:
        """What a tenant has at an instant, this snapshot's or a later one. Raises NoSuchTenant."""
        rights = self.rights.get(tenant)
        if rights is None:
            raise NoSuchTenant(tenant)
        if rights.until_us is not None and at_us >= rights.until_us:
            return rights_of(self.catalog, tenant, at_us)
        return rights

    def judged(self, tenant: str, right: Right, asked: Decimal | None = None) -> Entitlement:
        """What a right, as ``rights_at`` gives it, comes to. Raises NotCounted."""
        return judged(right, self._used(tenant, right), asked)

    def _used(self, tenant: str, right: Right) -> Decimal:
        if right.period is None or right.denial:
            return _NONE
        name = right.feature.name
        counted = self.rights[tenant].by_name.get(name)
        is_same = counted is not None and (counted.period, counted.feature) == (right.period, right.feature)
        if counted is not None and is_same and not counted.denial:
            return self.used.get((tenant, name), _NONE)
        if right.period.start_us >= self.at_us:
            # Of a time that begins after all that is counted, nothing is.
            return _NONE
        raise NotCounted(name)


class Allowances:
    """Keeps the snapshot of a journal. One thread at a time may call ``look``; what it leaves is for all."""

    def __init__(self, journal: Journal, clock_us: Callable[[], int] = instants.now_us) -> None:
        self._journal, self._clock_us = journal, clock_us
        self._catalog, self._defined = Catalog.of(()), 0
        self._rights: dict[str, Rights] = {}
        self._counted = Counted({})
        self.snapshot: Snapshot | None = None

    @property
    def has_thresholds(self) -> bool:
        """Whether somebody is to be told of usage, as the definitions were when they were looked at last."""
        return self._counted.has_thresholds

    def look_for_definitions(self) -> int:
        """Learn of definitions alone; gives how many there were that were new. Raises JournalError, UnreadableDefinition."""
        if self._journal.log.head(DEFINITIONS_CHAIN).position <= self._defined:
            return 0
        return self._learn(self._journal.view(), self._clock_us())

    def look(self) -> Snapshot:
        """The snapshot of now. Raises JournalError, UnreadableDefinition."""
        now_us = self._clock_us()
        end = self._journal.log.refresh()
        standing = self.snapshot
        is_current = standing is not None and standing.position == end and now_us >= standing.at_us
        if standing is not None and is_current and not self._ended(now_us):
            self.snapshot = replace(standing, counted_us=now_us)
            return self.snapshot
        view = self._journal.view()
        self._learn(view, now_us)
        used = self._counted.used(view, self._catalog)
        self.snapshot = Snapshot(view.position, now_us, now_us, self._catalog, self._rights, used)
        return self.snapshot

    def _ended(self, now_us: int) -> list[str]:
        """Tenants whose rights have ended by now."""
        return [
            tenant for tenant, held in self._rights.items() if held.until_us is not None and now_us >= held.until_us
        ]

    def _learn(self, view: View, now_us: int) -> int:
        catalog = catalog_of(view)
        fresh = [] if catalog is self._catalog else [each for each in catalog if each.position > self._defined]
        changed = set(self._ended(now_us))
        if fresh:
            self._catalog, self._defined = catalog, max(each.position for each in fresh)
            changed |= self._concerned(fresh)
        if changed:
            # Snapshots share what they were made with: it is replaced, and never changed.
            self._rights = self._rights | {tenant: rights_of(self._catalog, tenant, now_us) for tenant in changed}
        if fresh or changed:
            self._counted = self._counted.of(self._rights, self._catalog)
        return len(fresh)

    def _concerned(self, fresh: Iterable[Definition]) -> set[str]:
        """Whose rights may follow from some definitions."""
        found: set[str] = set()
        for each in fresh:
            if isinstance(each.spec, Plan):
                return set(self._catalog.names("tenant"))
            if isinstance(each.spec, Subscription):
                # The tenant of an earlier version may be another one.
                versions = (version.spec for version in self._catalog.versions("subscription", each.name))
                found.update(version.tenant for version in versions if isinstance(version, Subscription))
            elif each.kind == "tenant":
                found.add(each.name)
        return found.intersection(self._catalog.names("tenant"))


def snapshot_at(view: View, catalog: Catalog, tenant: str, at_us: int) -> Snapshot:
    """The same of one tenant, worked out from the book alone. Raises NoSuchTenant."""
    if not catalog.versions("tenant", tenant):
        raise NoSuchTenant(tenant)
    rights = {tenant: rights_of(catalog, tenant, at_us)}
    used = Counted({}).of(rights, catalog).used(view, catalog)
    return Snapshot(view.position, at_us, view.time_us, catalog, rights, used)
