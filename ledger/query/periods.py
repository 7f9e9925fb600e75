"""Closed periods as the wire gives them: which there are, what they came to, and what was corrected since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ledger.billing.closes import CLOSE_KINDS, Close, closes
from ledger.billing.period import Period, named_period
from ledger.directory.standing import catalog_of
from ledger.journal.journal import Journal
from ledger.journal.view import View
from ledger.metering.answer import usage
from ledger.metering.gate import Inspection, Obstacle, SourceHole
from ledger.metering.usage import Usage
from ledger.query.questions import BadQuestion, Book, suggestion
from ledger.schema.decimals import plain_text, portion, total
from ledger.schema.moments import known_zone
from meterbook.ledger.v1 import period_pb2
from meterbook.wire import instants

_PERIODS_NAMED = 5


def answer_periods(journal: Journal, request: period_pb2.PeriodsRequest) -> period_pb2.PeriodsResponse:
    """Every close, oldest first. Raises BadQuestion, JournalError."""
    view = Book.at(journal, request.as_of).view
    found = closes(view.acts(kinds=CLOSE_KINDS).to_pylist())
    return period_pb2.PeriodsResponse(as_of=view.position, closes=[close_of(each) for each in found])


def answer_period(journal: Journal, request: period_pb2.PeriodRequest) -> period_pb2.PeriodResponse:
    """What a closed period came to at its close, and comes to now. Raises BadQuestion, JournalError."""
    period, _ = period_of(request.period, request.zone)
    view = Book.at(journal, request.as_of).view
    every = closes(view.acts(kinds=CLOSE_KINDS).to_pylist())
    standing = [each for each in every if each.period == period]
    if not standing:
        raise BadQuestion(f"period: {request.period} is {period} and is not closed; {_closed(every)}")
    check_meters(request.meters, sorted({name for each in standing for name in each.meters}), "closed meter")
    rows = [row for each in standing for row in _rows(view, each, set(request.meters))]
    return period_pb2.PeriodResponse(
        as_of=view.position,
        closes=[close_of(each) for each in standing],
        rows=sorted(rows, key=lambda row: (row.meter, row.tenant)),
    )


def period_of(name: str, zone: str) -> tuple[Period, str]:
    """The period of a name, and the zone that it is of. Raises BadQuestion."""
    try:
        known = known_zone(zone or "UTC")
    except ValueError as error:
        raise BadQuestion(f"zone: {error}") from error
    try:
        return named_period(name, ZoneInfo(known)), known
    except ValueError as error:
        raise BadQuestion(f"period: {error}") from error


def check_meters(asked: Iterable[str], known: Sequence[str], what: str = "meter") -> None:
    """Raises BadQuestion for a name that is not known."""
    if unknown := sorted(set(asked).difference(known)):
        raise BadQuestion(f"meters: there is no {what} {unknown[0]!r}; {suggestion(unknown[0], known)}")


def close_of(close: Close, position: int = 0) -> period_pb2.PeriodClose:
    """A close as the wire gives it; ``position`` is where it was written just now."""
    return period_pb2.PeriodClose(
        start=instants.text(close.period.start_us),
        end=instants.text(close.period.end_us),
        zone=close.zone,
        meters=close.meters,
        position=position or close.position,
        at_position=close.at_position,
        judged=instants.text(close.judged_us),
        author=close.author,
        caller=close.caller,
        reason=close.reason,
        forced=close.is_forced,
        missing=[obstacle_of(each) for each in close.missing],
        missing_total=close.missing_total,
    )


def obstacle_of(obstacle: Obstacle) -> period_pb2.PeriodObstacle:
    """An obstacle as the wire gives it."""
    return period_pb2.PeriodObstacle(
        meter=obstacle.meter,
        tenant=obstacle.tenant,
        kind=obstacle.kind,
        reason=obstacle.reason,
        holes=[_hole(each) for each in obstacle.holes],
        holes_total=obstacle.holes_total,
    )


def _hole(found: SourceHole) -> period_pb2.PeriodHole:
    return period_pb2.PeriodHole(
        source=found.source,
        agent=found.hole.agent,
        start=instants.text(found.hole.start_us),
        end=instants.text(found.hole.end_us),
        status=found.hole.status,
        reason=found.hole.reason,
        outlook=found.hole.outlook,
    )


def _closed(every: Sequence[Close]) -> str:
    if not every:
        return "no period is"
    named = ", ".join(str(each.period) for each in every[-_PERIODS_NAMED:])
    return f"the last that are: {named}; 'meterbook period list' has all"


def _rows(view: View, close: Close, asked: Collection[str]) -> Iterable[period_pb2.PeriodRow]:
    names = [name for name in close.meters if not asked or name in asked]
    then = View.at(view.tables, close.at_position)
    before, after = (_sums(each, close.period, names) for each in (then, view))
    catalog = catalog_of(then)
    inspection = Inspection(then, catalog, close.period.start_us, close.period.end_us, now_us=close.judged_us)
    for name in names:
        watched = inspection.coverage(inspection.versions(name)[-1].meter)
        later = {row["tenant"]: row for row in _later(view, close, name)}
        for tenant in sorted({tenant for meter, tenant in before.keys() | after.keys() if meter == name}):
            at_close, now = (_amounts(sums.get((name, tenant), [])) for sums in (before, after))
            share = portion(*watched.get(tenant, (0, 0)))
            yield period_pb2.PeriodRow(
                meter=name,
                tenant=tenant,
                unit=(before.get((name, tenant)) or after[name, tenant])[0].unit,
                quantity=plain_text(at_close[0]),
                now=plain_text(now[0]),
                corrected=plain_text(total([now[0], at_close[0].copy_negate()])),
                entries=later.get(tenant, {}).get("entries", 0),
                last_position=later.get(tenant, {}).get("last_position", 0),
                estimated=plain_text(at_close[1]),
                coverage="" if share is None else plain_text(share),
                closed=close.position,
            )


def _sums(view: View, period: Period, names: Sequence[str]) -> Mapping[tuple[str, str], list[Usage]]:
    """Usage of the period by meter and tenant."""
    found: dict[tuple[str, str], list[Usage]] = {}
    if names:
        for row in usage(view, catalog_of(view), period.start_us, period.end_us, meters=names):
            found.setdefault((row.meter, row.tenant), []).append(row)
    return found


def _amounts(rows: Sequence[Usage]) -> tuple[Decimal, Decimal]:
    return total(row.quantity for row in rows), total(row.estimated for row in rows)


def _later(view: View, close: Close, name: str) -> list[dict[str, Any]]:
    """Per tenant with entries of the period that were booked after it was judged: their number and last position."""
    found: list[dict[str, Any]] = view.tables.query(
        "SELECT tenant, count(*) AS entries, max(position) AS last_position FROM entries"
        " WHERE meter = ? AND position > ? AND position <= ? AND quantity <> 0"
        " AND hour >= make_timestamp(?) AND hour < make_timestamp(?) GROUP BY tenant",
        [name, close.at_position, view.position, close.period.start_us, close.period.end_us],
    ).to_pylist()
    return found
