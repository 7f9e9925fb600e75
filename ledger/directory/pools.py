"""Pools and the rules between them: what goes into a pool must come out of it, and never by the way back.

Allocation rules are checked together, at every date at which one of them changes: a rule that divides a pool and gives to another is a step from the
one to the other. A way that leads back to where it began would divide for ever, and is refused with the names of its rules. So is a pool that gets something
and that no rule divides, unless it may be left as it is; and a driver of windows longer than an hour, since there are charges by the hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ledger.directory.allocation import Allocation
from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document, Fault
from ledger.directory.meter import Meter
from ledger.directory.methods import LASTING
from ledger.directory.versions import Definition
from ledger.schema.calendar import UNITS
from meterbook.wire import instants


def allocation_faults(after: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    """What is wrong with the allocation rules of a catalog, at the documents that have to do with it; nothing where none has."""
    rules = [each for each in documents if isinstance(each.spec, Allocation)]
    told_now = {(each.name, each.effective_from_us) for each in rules}
    for document in documents:
        if isinstance(document.spec, Meter):
            yield from _long_window(after, document, document.spec, told_now)
    if not rules:
        return
    for document in rules:
        yield from _long_windows(after, document)
    told: set[str] = set()
    for date_us in sorted({each.effective_from_us for each in after if each.kind == "allocation"}):
        standing = {
            each.name: each.spec for each in after.in_force("allocation", date_us) if isinstance(each.spec, Allocation)
        }
        for message, names in (*_circles(standing), *_undivided(standing)):
            if message not in told:
                told.add(message)
                blamed = next((each for each in rules if each.name in names), rules[0])
                since = f" from {instants.text(date_us)} on" if date_us else ""
                yield blamed.fault(("spec",), message + since)


def _circles(rules: Mapping[str, Allocation]) -> Iterator[tuple[str, set[str]]]:
    """Ways from a pool back to itself, each once, as the names of the rules along it."""
    seen: set[frozenset[str]] = set()
    for name, rule in rules.items():
        if rule.of is not None and (way := _way_back(rules, [name])) and frozenset(way) not in seen:
            seen.add(frozenset(way))
            steps = ", ".join(f"{each!r} (of {rules[each].of})" for each in way)
            yield (
                f"the rules {steps} divide their pools into each other in a circle: let one give to no pool of the others",
                set(way),
            )


def _way_back(rules: Mapping[str, Allocation], way: list[str]) -> list[str]:
    """The shortest way that begins with a rule and leads back to its pool; empty where there is none."""
    ways, reached = [way], set[str]()
    while ways:
        way = ways.pop(0)
        gives = rules[way[-1]].gives_to()
        if rules[way[0]].of in gives:
            return way
        following = [name for name, rule in rules.items() if rule.of in gives and name not in reached]
        reached.update(following)
        ways += [[*way, name] for name in following]
    return []


def _undivided(rules: Mapping[str, Allocation]) -> Iterator[tuple[str, set[str]]]:
    divided = {rule.of for rule in rules.values()}
    for name, rule in rules.items():
        for pool in sorted(rule.gives_to() - divided - LASTING):
            yield f"{name!r} gives to the pool {pool!r}, which no rule divides: add one with 'of: {pool}'", {name}


def _long_window(
    after: Catalog, document: Document, meter: Meter, told_now: Collection[tuple[str, int]]
) -> Iterator[Fault]:
    """That a meter has windows which are too long for rules that stand already."""
    if not _is_long(meter):
        return
    for name in after.names("allocation"):
        standing = [each for each in _standing(after, name) if (name, each.effective_from_us) not in told_now]
        if any(document.name in _meters(rule) for rule in standing):
            yield document.fault(
                ("spec", "window"),
                f"the windows are of a {meter.window.unit}, but the allocation rule {name!r} goes by this meter, and charges may be of an hour: "
                "give one of an hour or less",
            )


def _standing(after: Catalog, name: str) -> Iterable[Definition]:
    """The versions of a rule that hold at some date."""
    return {each.effective_from_us: each for each in after.versions("allocation", name)}.values()


def _meters(rule: Definition) -> set[str]:
    return {reference.name for reference in rule.spec.references() if reference.kind == "meter"}


def _is_long(meter: Meter) -> bool:
    return UNITS.index(meter.window.unit) > UNITS.index("hour")


def _long_windows(after: Catalog, document: Document) -> Iterator[Fault]:
    for reference in document.spec.references():
        versions = after.versions(reference.kind, reference.name)
        meter = versions[-1].spec if versions else None
        if isinstance(meter, Meter) and _is_long(meter):
            yield document.fault(
                ("spec", *reference.path),
                f"meter {reference.name!r} has windows of a {meter.window.unit}, but charges may be of an hour: name one of an hour or less",
            )
