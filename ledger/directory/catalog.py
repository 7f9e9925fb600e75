"""The catalog: all versions of all definitions, as a value that answers what holds when.

A catalog is built from the directory's rows and never changes; applying documents gives rows to write, not a
changed catalog. It answers along both of the book's time lines: :meth:`Catalog.get` by effective time (the
version with the latest ``effective_from`` that is not after the instant; of several with that same date, the
highest version, which is the latest correction), :meth:`Catalog.as_of` by journal position.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

from ledger.directory.credit import Credit
from ledger.directory.documents import KINDS
from ledger.directory.meter import Meter
from ledger.directory.plan import Plan
from ledger.directory.pricesheet import PriceSheet
from ledger.directory.subscription import Subscription
from ledger.directory.tenant import Tenant
from ledger.directory.versions import Definition, DefinitionRow, definition_of
from ledger.schema.spec import Spec

Kind = TypeVar("Kind", bound=Spec)


@dataclass(frozen=True)
class Catalog:
    """Definitions by (kind, name), each name's versions sorted by effective date and then version."""

    _versions: Mapping[tuple[str, str], tuple[Definition, ...]]

    @classmethod
    def of(cls, rows: Iterable[DefinitionRow]) -> Catalog:
        """The catalog of some rows, in any order. Raises UnreadableDefinition for a row that cannot be read."""
        return cls._of(definition_of(row) for row in rows)

    @classmethod
    def _of(cls, definitions: Iterable[Definition]) -> Catalog:
        grouped: dict[tuple[str, str], list[Definition]] = {}
        for each in definitions:
            grouped.setdefault((each.kind, each.name), []).append(each)
        return cls(
            MappingProxyType(
                {
                    key: tuple(sorted(grouped[key], key=lambda each: (each.effective_from_us, each.version)))
                    for key in sorted(grouped)
                }
            )
        )

    def as_of(self, position: int) -> Catalog:
        """The catalog as it was when the journal stood at ``position``, that record included."""
        return self._of(each for each in self if each.position <= position)

    def extended(self, definitions: Iterable[Definition]) -> Catalog:
        """The catalog with more versions in it."""
        return self._of([*self, *definitions])

    def __iter__(self) -> Iterator[Definition]:
        """All versions: by kind, name, effective date, version."""
        for versions in self._versions.values():
            yield from versions

    def versions(self, kind: str, name: str) -> tuple[Definition, ...]:
        """All versions of one name, by effective date and then version; empty where there are none."""
        return self._versions.get((kind, name), ())

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of a kind, whenever they hold, sorted."""
        return self._names.get(kind, ())

    def get(self, kind: str, name: str, at_us: int) -> Definition | None:
        """The version of a name that holds at an instant, or None."""
        versions = self.versions(kind, name)
        place = bisect_right(versions, at_us, key=lambda each: each.effective_from_us)
        return versions[place - 1] if place else None

    def in_force(self, kind: str, at_us: int) -> tuple[Definition, ...]:
        """What holds of a kind at an instant, sorted by name."""
        found = (self.get(kind, name, at_us) for name in self.names(kind))
        return tuple(each for each in found if each is not None)

    def changes(self, kind: str, start_us: int, end_us: int) -> tuple[int, ...]:
        """The instants inside (start, end) at which what holds of a kind may change, rising.

        Between two of them (and before the first, and after the last) :meth:`in_force` gives one answer.
        """
        dates = {each.effective_from_us for each in self if each.kind == kind}
        return tuple(sorted(date for date in dates if start_us < date < end_us))

    def meters(self, at_us: int) -> Mapping[str, Meter]:
        """The meters that hold at an instant, by name."""
        return self._typed(Meter, at_us)

    def price_sheets(self, at_us: int) -> Mapping[str, PriceSheet]:
        """The price sheets that hold at an instant, by name."""
        return self._typed(PriceSheet, at_us)

    def plans(self, at_us: int) -> Mapping[str, Plan]:
        """The plans that hold at an instant, by name."""
        return self._typed(Plan, at_us)

    def tenants(self, at_us: int) -> Mapping[str, Tenant]:
        """The tenants that are defined at an instant, by name."""
        return self._typed(Tenant, at_us)

    def subscriptions(self) -> Mapping[str, Subscription]:
        """All subscriptions by name, those that have ended and those still to start included."""
        return self._typed(Subscription, 0)

    def subscriptions_of(self, tenant: str) -> Mapping[str, Subscription]:
        """All subscriptions of one tenant by name."""
        return self._subscriptions_by_tenant.get(tenant, {})

    def credits_of(self, tenant: str) -> Mapping[str, Credit]:
        """All credits of one tenant by name, those that have expired included."""
        return self._credits_by_tenant.get(tenant, {})

    # What a catalog is asked once per tenant must not cost a walk over all tenants.
    @cached_property
    def _names(self) -> Mapping[str, tuple[str, ...]]:
        names: dict[str, list[str]] = {}
        for kind, name in self._versions:
            names.setdefault(kind, []).append(name)
        return {kind: tuple(each) for kind, each in names.items()}

    @cached_property
    def _subscriptions_by_tenant(self) -> Mapping[str, Mapping[str, Subscription]]:
        grouped: dict[str, dict[str, Subscription]] = {}
        for name, subscription in self.subscriptions().items():
            grouped.setdefault(subscription.tenant, {})[name] = subscription
        return grouped

    @cached_property
    def _credits_by_tenant(self) -> Mapping[str, Mapping[str, Credit]]:
        grouped: dict[str, dict[str, Credit]] = {}
        for name, credit in self._typed(Credit, 0).items():
            grouped.setdefault(credit.tenant, {})[name] = credit
        return grouped

    def _typed(self, model: type[Kind], at_us: int) -> Mapping[str, Kind]:
        kind = next(kind for kind, each in KINDS.items() if each is model)
        found = self.in_force(kind, at_us)
        return {each.name: each.spec for each in found if isinstance(each.spec, model)}
