"""All rules in one place, and what they find in files. A new rule is one function, one line in ``RULES`` and a test for both ways.

A rule gets all documents, says what it sees, and has no opinion on what is invalid: a file that cannot be applied is refused with its
faults before any rule looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from ledger.directory.documents import Document
from ledger.directory.linting import bounds, names, ranges, timing
from ledger.directory.linting.files import Files, Finding, Remark

Rule = Callable[[Files], Iterator[Remark]]

RULES: Mapping[str, Rule] = {
    "rising-tier-price": ranges.rising_tier_price,
    "volume-dip": ranges.volume_dip,
    "stairstep-hole": ranges.stairstep_hole,
    "equal-tiers": ranges.equal_tiers,
    "free-after-paid": ranges.free_after_paid,
    "unreachable-tier": ranges.unreachable_tier,
    "minimum-without-effect": bounds.minimum_without_effect,
    "minimum-always": bounds.minimum_always,
    "minimum-hides-step": bounds.minimum_hides_step,
    "maximum-without-effect": bounds.maximum_without_effect,
    "maximum-always": bounds.maximum_always,
    "bounds-equal": bounds.bounds_are_equal,
    "included-splits-package": bounds.included_splits_package,
    "included-twice": bounds.included_twice,
    "unknown-meter": names.unknown_meter,
    "unknown-dimension": names.unknown_dimension,
    "unknown-attribute": names.unknown_attribute,
    "unknown-price": names.unknown_price,
    "unknown-tier": names.unknown_tier,
    "same-title": names.same_title,
    "endless-full-discount": timing.endless_full_discount,
    "advance-once": timing.advance_once,
    "unprorated-seats": timing.unprorated_seats,
    "rounds-to-nothing": timing.rounds_to_nothing,
    "finer-than-a-coin": timing.finer_than_a_coin,
}


def lint(documents: Iterable[Document], *, without: Collection[str] = ()) -> tuple[Finding, ...]:
    """What the rules find, but for those left out, in the order of the files and their lines."""
    given = tuple(documents)
    files = Files(given)
    order = {document.file: place for place, document in reversed(list(enumerate(given)))}
    found = {
        remark.finding(name): order[remark.document.file]
        for name, rule in RULES.items()
        if name not in without
        for remark in rule(files)
    }
    return tuple(sorted(found, key=lambda each: (found[each], _line(each), each.rule)))


def _line(finding: Finding) -> int:
    return int(finding.place.rpartition(":")[2])
