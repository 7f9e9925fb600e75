"""What every question has: the position it is asked at, and a range of event time.

The book keeps usage by the hour, so a range is widened to whole hours; the response says what it was asked as.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.directory.catalog import Catalog
from ledger.directory.standing import catalog_of
from ledger.journal.journal import Journal
from ledger.journal.view import View
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants
from meterbook.wire.instants import HOUR_US


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
        """The range in whole hours; without a start from the beginning of the book, without an end until its time."""
        start_us = instant(asked.start, "range.start") if asked.start else (self.view.beginning() or self.view.time_us)
        end_us = instant(asked.end, "range.end") if asked.end else self.view.time_us
        if end_us < start_us:
            raise BadQuestion(f"range.end: {instants.text(end_us)} is before range.start {instants.text(start_us)}")
        return start_us // HOUR_US * HOUR_US, -(-end_us // HOUR_US) * HOUR_US

    def instant(self, asked: str, field: str) -> int:
        """An instant; the view's own time where none is given."""
        return instant(asked, field) if asked else self.view.time_us


def instant(text: str, field: str) -> int:
    """Microseconds of an RFC 3339 time. Raises BadQuestion naming the field."""
    try:
        return instants.parse(text)
    except ValueError as error:
        raise BadQuestion(f"{field}: {error}") from error
