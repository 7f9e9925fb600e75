"""What every question has: the position it is asked at, and a range of event time.

The book keeps usage by the hour, so a range is widened to whole hours; the response says what it was asked as.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.directory.applying import SUGGESTED_FROM_MAX
from ledger.directory.catalog import Catalog
from ledger.directory.standing import catalog_of
from ledger.journal.journal import Journal
from ledger.journal.view import View
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants
from meterbook.wire.instants import DAY_US, EARLIEST_US, HOUR_US
from meterbook.wire.series import SHARED, UNASSIGNED, UNRESOLVED

_NAMES_SHOWN = 20
_LONGEST_US = 367 * DAY_US
_MONTHS_FROM_US, _MONTHS_UNTIL_US = instants.parse("0002-01-01"), instants.parse("9999-01-01")


class BadQuestion(ValueError):
    """The request cannot be answered as it is; the message names the field, the value and what is allowed."""


@dataclass(frozen=True)
class Book:
    """The book at the position that a request asked for."""

    view: View
    catalog: Catalog

    @classmethod
    def at(cls, journal: Journal, as_of: int) -> Book:
        """Raises BadQuestion for a position that is not in the book, JournalError where the tables lag behind."""
        try:
            view = journal.view(as_of)
        except LookupError as error:
            raise BadQuestion(f"as_of: {error}") from error
        return cls(view, catalog_of(view))

    def hours(self, asked: query_pb2.Range) -> tuple[int, int]:
        """The range in whole hours; without a start from the beginning of the book, without an end until its time.

        An end before the beginning, or a start after the time of the book, is a range in which nothing happened.
        """
        start_us = instant(asked.start, "range.start") if asked.start else None
        end_us = instant(asked.end, "range.end") if asked.end else None
        if start_us is not None and end_us is not None and end_us < start_us:
            raise BadQuestion(
                f"range.end: {instants.text(end_us)} is before range.start {instants.text(start_us)}; "
                "give an end that is not before the start"
            )
        if end_us is None:
            end_us = max(self.view.time_us, start_us or 0)
        if start_us is None:
            beginning = self.view.beginning()
            # The window in which the book begins may be a year, and has begun before it.
            start_us = end_us if beginning is None else max(min(beginning, end_us) - _LONGEST_US, EARLIEST_US)
        return start_us // HOUR_US * HOUR_US, -(-end_us // HOUR_US) * HOUR_US

    def month(self, asked: str) -> int:
        """The instant whose billing period is asked for; the view's own time where none is given."""
        at_us = instant(asked, "at") if asked else self.view.time_us
        if not _MONTHS_FROM_US <= at_us < _MONTHS_UNTIL_US:
            # The calendar month of any zone must begin and end inside the years that can be written down.
            raise BadQuestion(f"at: {instants.text(at_us)} has no billing period; give a time of the years 2 to 9998")
        return at_us

    def tenants(self, asked: Iterable[str], seen: frozenset[str] | None = None) -> set[str]:
        """The tenants that are asked for, empty for all; ``seen`` are those that the caller may see, None for all.

        Raises BadQuestion for one that is neither defined nor was ever heard of; of others than ``seen`` nothing is told.
        """
        found = set(asked)
        if seen is not None:
            if found - seen or not seen:
                raise BadQuestion(f"tenants: there is no tenant {min(found - seen, default='')!r}")
            return found or set(seen)
        unheard = found.difference(self.catalog.names("tenant"), (SHARED, UNASSIGNED, UNRESOLVED))
        if unheard and (unknown := sorted(unheard.difference(heard := self.view.tenants()))):
            known = sorted({*self.catalog.names("tenant"), *heard})
            raise BadQuestion(f"tenants: there is no tenant {unknown[0]!r}; {suggestion(unknown[0], known)}")
        return found


def suggestion(name: str, known: Sequence[str]) -> str:
    """What to ask for instead of a name that there is not; not all of thousands."""
    near = difflib.get_close_matches(name, known, n=1) if len(known) <= SUGGESTED_FROM_MAX else []
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(known[:_NAMES_SHOWN]) or "none"
    left = len(known) - _NAMES_SHOWN
    return f"there are {shown}" + (f" and {left} more" if left > 0 else "")


def instant(text: str, field: str) -> int:
    """Microseconds of an RFC 3339 time. Raises BadQuestion naming the field."""
    try:
        return instants.parse(text)
    except ValueError as error:
        raise BadQuestion(f"{field}: {error}") from error
