"""Catalogs as they would be, with plans in them that nobody applied.

To see what a plan would have come to, all of a past period has to be on it. So a candidate takes the place of every version of its
name, on every date: of several versions with one date the highest holds, and the candidate's is above all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ledger.directory.catalog import Catalog
from ledger.directory.plan import Plan
from ledger.directory.versions import Definition, DefinitionRow, Version, definition_of


def applied(catalog: Catalog, versions: Sequence[Version]) -> Catalog:
    """The catalog after versions were written."""
    return catalog.extended(definition_of(DefinitionRow(**vars(each), author="", position=0)) for each in versions)


def throughout(catalog: Catalog, plans: Mapping[str, Plan], replaced: Mapping[str, str]) -> Catalog:
    """The catalog in which ``plans`` hold at all times, and each plan of ``replaced`` charges what the other one named does.

    The other one is that of ``plans`` where it is there, and else that of the catalog, as it stood at each time, its first version before that.
    """
    found = list(_throughout(catalog, plans))
    for name, other in replaced.items():
        if other in plans:
            found += _throughout(catalog, {name: plans[other]}, above=1)
        else:
            versions = catalog.versions("plan", other)
            dates = sorted({0, *_dates(catalog, name), *(each.effective_from_us for each in versions)})
            for since_us in dates:
                holds = catalog.get("plan", other, since_us) or versions[0]
                found.append(_definition(catalog, name, since_us, holds.spec, above=1))
    return catalog.extended(found)


def _throughout(catalog: Catalog, plans: Mapping[str, Plan], above: int = 0) -> Iterator[Definition]:
    for name, plan in plans.items():
        for since_us in sorted({0, *_dates(catalog, name)}):
            yield _definition(catalog, name, since_us, plan, above)


def _definition(catalog: Catalog, name: str, since_us: int, spec: object, above: int) -> Definition:
    newest = max((each.version for each in catalog.versions("plan", name)), default=0)
    assert isinstance(spec, Plan)
    return Definition("plan", name, newest + 1 + above, since_us, spec, "", 0)


def _dates(catalog: Catalog, name: str) -> set[int]:
    return {each.effective_from_us for each in catalog.versions("plan", name)}
