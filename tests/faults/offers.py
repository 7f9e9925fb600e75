"""What several writers offered to one log, held against the groups that it shows: the book of who was told what.

The log puts all commits in one order. So each group must be what the fence lets in of one offer at that very place, whole; and
whoever was answered must have been told what is true at the place where his offer stands, or, where nothing of it was
written, at some place that the log had while he waited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.journal.errors import JournalError, Overtaken, StoreDamaged
from ledger.journal.record import Draft, Record
from tests.faults.book import Book, Outcome, expect, named

#: What an error says whose group may be there nevertheless.
IN_DOUBT = "could not be found out"


@dataclass
class Offered:
    """A group of drafts on its way into the log; ``since`` is where the log was known to end when it was begun."""

    drafts: list[Draft]
    since: int
    object: str | None = None
    #: Where its drafts are, None for those overtaken; once a group of it was seen.
    positions: list[int | None] | None = None
    #: Somebody was told that nothing of it is in the log.
    is_refused: bool = False


class Offers:
    """All offers of a history."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._by_object: dict[str, Offered] = {}

    def begin(self, drafts: list[Draft]) -> Offered:
        """Drafts are on their way."""
        return Offered(drafts, len(self._book.records))

    def name(self, offered: Offered, object_name: str) -> None:
        """An object was begun for an offer."""
        expect(object_name not in self._by_object, f"two groups are called {object_name}")
        offered.object = object_name
        self._by_object[object_name] = offered

    def see(self, object_name: str, records: Sequence[Record]) -> None:
        """The log shows a group behind those known, with this object."""
        offered = self._by_object.get(object_name)
        if offered is None:
            return expect(False, f"nobody offered {object_name}")
        expect(offered.positions is None, f"{object_name} is there twice")
        expect(not offered.is_refused, f"{object_name} is there though it was said not to be")
        written, positions = self._book.admitted(offered.drafts)
        found = [record.draft for record in records]
        expect(bool(found), "a group of nothing")
        expect(found == written, f"the group {[*map(named, found)]}, not {[*map(named, written)]}")
        self._book.learn(records)
        offered.positions = positions
        return None

    def answer(self, offered: Offered, outcomes: Sequence[Outcome], *, may_fail: bool) -> None:
        """Somebody was told what became of an offer; the log's groups were seen since."""
        errors = [outcome for outcome in outcomes if not isinstance(outcome, int | Overtaken)]
        if errors:
            self._refuse(offered, outcomes, errors, may_fail=may_fail)
            return
        told = [outcome if isinstance(outcome, int) else None for outcome in outcomes]
        if offered.positions is not None:
            expect(told == offered.positions, f"told {told}, not {offered.positions}")
            return
        ends = range(offered.since, len(self._book.records) + 1)
        expect(
            any(self._book.admitted(offered.drafts, end) == ([], told) for end in ends), f"told {told}, which is not so"
        )

    def _refuse(
        self, offered: Offered, outcomes: Sequence[Outcome], errors: Sequence[JournalError], *, may_fail: bool
    ) -> None:
        expect(may_fail, f"unavailable though nothing failed: {errors[0]}")
        expect(len(errors) == len(outcomes), f"half a group: {outcomes}")
        expect(not isinstance(errors[0], StoreDamaged), f"damaged though nothing was: {errors[0]}")
        if IN_DOUBT not in str(errors[0]):
            expect(offered.positions is None, f"refused though it was written: {errors[0]}")
            offered.is_refused = True
