"""Units of what allocation rules hold against each other: the meters of a driver, and the meter of its capacity.

What was not used is a difference, and the greatest of several meters is one of them; both mean something only in one unit. Two texts may be the same unit
(``core-hours`` and ``core.h``). Units that differ by a factor are not converted: a quantity has nine digits after the point, and the meter itself can say in which unit it comes out.

Rules are checked when they are written, and when one of their meters is; and once more when they divide a charge, since those that are older than this check stand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ledger.directory.allocation import Allocation
from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document, Fault
from ledger.directory.meter import Meter
from ledger.schema.spec import Path
from ledger.schema.units import factor


def unit_faults(after: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    """Rules of which the units do not go together, at the rule or else at the meter that is written."""
    told_now: set[str] = set()
    for document in documents:
        if isinstance(document.spec, Allocation):
            for path, message in unlike_units(after, document.spec):
                told_now.add(document.name)
                yield document.fault(("spec", *path), message)
    for document in documents:
        if isinstance(document.spec, Meter):
            yield from _of_meter(after, document, told_now)


def unlike_units(catalog: Catalog, rule: Allocation) -> list[tuple[Path, str]]:
    """Where a rule names a meter in another unit than that of the first one beside it, and what is wrong, without repetition."""
    found = []
    for name, driver, _ in rule.drivers():
        at: Path = (rule.method, name) if name else (rule.method, *(("using",) if rule.even is not None else ()))
        first = driver.meter[0]
        others: list[tuple[Path, str, str]] = [((*at, "meter"), each, "compared with") for each in driver.meter[1:]]
        if driver.capacity is not None and driver.capacity.meter is not None:
            others.append(((*at, "capacity", "meter"), driver.capacity.meter, "what there was of"))
        for path, other, what in others:
            one, two = _unit(catalog, first), _unit(catalog, other)
            if one is not None and two is not None and (why := _difference(one, two)):
                message = f"the meter {other!r} is {what} {first!r}, but {why}: give both meters one unit"
                found.append((path, f"{message}, by measured_in if need be"))
    return found


def _of_meter(after: Catalog, document: Document, told_now: Collection[str]) -> Iterator[Fault]:
    for name in after.names("allocation"):
        newest = {each.effective_from_us: each.spec for each in after.versions("allocation", name)}
        for spec in newest.values():
            if name in told_now or not isinstance(spec, Allocation):
                continue
            meters = {each.name for each in spec.references() if each.kind == "meter"}
            for _, message in unlike_units(after, spec) if document.name in meters else ():
                yield document.fault(("spec", "unit"), f"in the allocation rule {name!r} {message}")
                return


def _unit(catalog: Catalog, meter: str) -> str | None:
    versions = catalog.versions("meter", meter)
    spec = versions[-1].spec if versions else None
    return spec.unit if isinstance(spec, Meter) else None


def _difference(one: str, two: str) -> str:
    """How two units differ; empty for one and the same. Texts that are no units known here have to be the same."""
    if one == two:
        return ""
    try:
        times = factor(two, one)
    except ValueError:
        return f"it is in {two!r} and not in {one!r}"
    return f"it is in {two!r}, of which one is {times} {one}" if times != 1 else ""
