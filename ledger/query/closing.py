"""Closing a period: book what is closed, look what is in the way, and write one record, or none.

Everything before the record may be done again and changes nothing by being done twice: runs are chained, and book only differences. So
it does not matter where a ledger is killed, or whether two close at once. The record follows the last close that was read; whoever
comes second reads again, finds the period closed, and is told by whom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.billing.closes import CLOSE_KINDS, OBSTACLES_MAX, PERIODS_CHAIN, Close, closes
from ledger.billing.period import Period
from ledger.journal.journal import Journal
from ledger.journal.overtaken import until_first
from ledger.journal.record import Kind
from ledger.metering.booking import Booker, Unbookable
from ledger.metering.gate import Inspection
from ledger.query.periods import check_meters, close_of, obstacle_of, period_of
from ledger.query.questions import BadQuestion, Book
from meterbook.ledger.v1 import period_pb2
from meterbook.wire import instants

CLOSED, ALREADY, REFUSED = "closed", "already closed", "refused"
_TEXT_LENGTH_MAX = 1_000


@dataclass(frozen=True)
class _Asked:
    """What is to be closed, checked as far as that takes no book; ``meters`` are empty for all."""

    period: Period
    zone: str
    meters: frozenset[str]
    is_forced: bool
    reason: str
    author: str
    caller: str


class PeriodCloser:
    """Closes periods of a journal. ``lateness_us`` is allowed where a meter itself says nothing."""

    def __init__(
        self, journal: Journal, booker: Booker, lateness_us: int, clock_us: Callable[[], int] = instants.now_us
    ) -> None:
        self._journal, self._booker = journal, booker
        self._lateness_us, self._clock_us = lateness_us, clock_us

    def close(self, request: period_pb2.ClosePeriodRequest, caller: str) -> period_pb2.ClosePeriodResponse:
        """Close a period on behalf of a caller. Raises BadQuestion, JournalError."""
        asked = _asked(request, caller)
        if asked.period.end_us > self._clock_us():
            raise BadQuestion(f"period: {request.period} is {asked.period} and has not ended; close it when it has")
        # Names are looked at before anything is booked.
        wanted = _meters(Book.at(self._journal, 0), asked)
        try:
            until_first(lambda: self._booker.book_closed(self._clock_us(), self._lateness_us))
        except Unbookable as error:
            if not wanted.isdisjoint(error.reasons):
                raise
        return until_first(lambda: self._close_once(asked))

    def _close_once(self, asked: _Asked) -> period_pb2.ClosePeriodResponse:
        book, now_us = Book.at(self._journal, 0), self._clock_us()
        wanted = _meters(book, asked)
        every = closes(book.view.acts(kinds=CLOSE_KINDS).to_pylist())
        standing = [each for each in every if each.period == asked.period]
        left = sorted(wanted.difference(*(each.meters for each in standing)))
        told = [close_of(each) for each in standing if wanted.intersection(each.meters)]
        if not left:
            return period_pb2.ClosePeriodResponse(outcome=ALREADY, closes=told)
        period = asked.period
        inspection = Inspection(
            book.view,
            book.catalog,
            period.start_us,
            period.end_us,
            now_us=now_us,
            lateness_us=self._lateness_us,
        )
        obstacles = inspection.obstacles(left)
        shown = [obstacle_of(each) for each in obstacles[:OBSTACLES_MAX]]
        if obstacles and not asked.is_forced:
            return period_pb2.ClosePeriodResponse(
                outcome=REFUSED, closes=told, obstacles=shown, obstacles_total=len(obstacles)
            )
        made = Close(
            period=period,
            zone=asked.zone,
            meters=tuple(left),
            at_position=book.view.position,
            judged_us=now_us,
            author=asked.author,
            caller=asked.caller,
            reason=asked.reason,
            is_forced=bool(obstacles),
            missing=tuple(obstacles[:OBSTACLES_MAX]),
            missing_total=len(obstacles),
        )
        head = self._journal.head(PERIODS_CHAIN, book.view)
        written = self._journal.extend(Kind.ACT, PERIODS_CHAIN, head, made.record().SerializeToString())
        told.append(close_of(made, written.position))
        return period_pb2.ClosePeriodResponse(
            outcome=CLOSED, closes=told, obstacles=shown, obstacles_total=len(obstacles)
        )


def _asked(request: period_pb2.ClosePeriodRequest, caller: str) -> _Asked:
    if not request.author:
        raise BadQuestion("author: say who closes")
    for name in ("author", "reason"):
        if len(getattr(request, name)) > _TEXT_LENGTH_MAX:
            raise BadQuestion(f"{name}: has more than {_TEXT_LENGTH_MAX} characters; say it in fewer")
    if request.force and not request.reason.strip():
        raise BadQuestion("reason: say why the period is closed by force")
    period, zone = period_of(request.period, request.zone)
    return _Asked(
        period, zone, frozenset(request.meters), request.force, request.reason.strip(), request.author, caller
    )


def _meters(book: Book, asked: _Asked) -> set[str]:
    """The meters to close. Raises BadQuestion for one that there is not, or that holds in no window of the period."""
    names = book.catalog.names("meter")
    check_meters(asked.meters, names)
    inspection = Inspection(book.view, book.catalog, asked.period.start_us, asked.period.end_us, now_us=0)
    holding = {name for name in asked.meters or names if inspection.versions(name)}
    if idle := sorted(asked.meters - holding):
        raise BadQuestion(f"meters: {idle[0]!r} holds in no window that begins in {asked.period}; leave it out")
    if not holding:
        raise BadQuestion(f"meters: none holds in a window that begins in {asked.period}, so there is nothing to close")
    return holding
