"""What a month comes to by bills and by estimates: which of them count, so that nothing counts twice.

Bills and estimates are of different natures and never added to each other, but in one answer: what is *expected*. There an estimate by a price book counts until one
of the bills stands that its book names, or any where it names none; then the bill counts in its place. So a month can be asked about before
its bill has come, and machines for which nobody sends a bill are a part of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ledger.costing.bills import Bill
from ledger.costing.estimating import SOURCE, Estimate, estimate, versions_of
from ledger.directory.catalog import Catalog
from ledger.journal.view import View
from meterbook.wire.instants import DAY_US, LATEST_US, from_datetime, to_datetime
from meterbook.wire.sections import NATURES

#: What is billed, and what is estimated where nothing is yet.
EXPECTED = "expected"
#: What can be asked for.
ASKED_NATURES = (*NATURES, EXPECTED)
_BILLED, _ESTIMATE = "billed", "estimate"
NO_ESTIMATE = Estimate((), (), ())
_LONGEST_MONTH_US = 31 * DAY_US


@dataclass(frozen=True)
class Month:
    """The bills of a month of some nature, those of price books among them; what price books said, and what was left out and why, a sentence each."""

    bills: Sequence[Bill]
    estimate: Estimate = NO_ESTIMATE
    notes: Sequence[str] = ()

    @property
    def lacking(self) -> list[str]:
        """That usage has no price, as one sentence; nothing where all has one."""
        meters = sorted({each.meter for each in self.estimate.unpriced})
        told = f"usage of {', '.join(meters)} has no price and is in no estimate; see 'meterbook cost estimate'"
        return [told] if meters else []

    @property
    def problems(self) -> list[str]:
        """What is wrong with the estimate, a sentence each."""
        return [*self.estimate.problems, *self.lacking]


def month_of(
    view: View,
    catalog: Catalog,
    told: Sequence[Bill],
    start_us: int,
    nature: str,
    sources: Collection[str] = (),
) -> Month:
    """What of the bills that ``told`` are is of the month that begins at ``start_us``, with its estimates; of some sources or of all.

    A bill is of the month in which its period begins. ``nature`` is one of ASKED_NATURES. For what is expected bills of all sources are to be told,
    since they say which estimates count.
    """
    is_expected = nature == EXPECTED
    told = [bill for bill in told if start_us <= bill.period_us < month_end(start_us)]
    natures = (_BILLED, _ESTIMATE) if is_expected else (nature,)
    chosen = [bill for bill in told if bill.nature in natures]
    if _ESTIMATE not in natures:
        return Month(chosen)
    standing = sorted(bill.source for bill in told if bill.state == "stands" and bill.nature == _BILLED)
    counted, notes = [], []
    for name in catalog.names("price-book"):
        if sources and SOURCE + name not in sources:
            continue
        other = _in_place_of(catalog, name, start_us, standing) if is_expected else None
        if other is None:
            counted.append(name)
        else:
            notes.append(f"the bill of {other} counts in place of {SOURCE}{name}")
    found = estimate(view, catalog, start_us, month_end(start_us), counted)
    kept = [bill for bill in chosen if not sources or bill.source in sources]
    return Month([*kept, *found.bills], found, notes)


def month_end(start_us: int) -> int:
    """The end of the month in UTC that begins at an instant."""
    return from_datetime(to_datetime(min(start_us + _LONGEST_MONTH_US, LATEST_US)).replace(day=1))


def book_sources(catalog: Catalog, nature: str) -> list[str]:
    """The sources that price books are for a nature, sorted."""
    return [SOURCE + name for name in catalog.names("price-book")] if nature in (_ESTIMATE, EXPECTED) else []


def _in_place_of(catalog: Catalog, name: str, start_us: int, standing: Sequence[str]) -> str | None:
    """The first source of which a bill stands that counts in place of what a book estimates; None where there is none."""
    versions = versions_of(catalog, name, start_us, month_end(start_us))
    if not versions:
        return None
    named = versions[-1].book.until_billed_by
    return next((each for each in standing if named is None or each in named), None)
