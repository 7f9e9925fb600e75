"""How the book stands: agents, coverage, dead letters and definitions, as the wire gives them."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from ledger.directory.documents import KINDS
from ledger.journal.journal import Journal
from ledger.journal.view import View
from ledger.metering.booking import meter_versions
from ledger.metering.events import Uncounted, without_value
from ledger.metering.holes import Hole, holes
from ledger.metering.observation import Accounts, Observation
from ledger.query.questions import BadQuestion, Book, suggestion
from ledger.query.scope import sources_of
from ledger.schema.decimals import plain_text, portion
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants

_DEAD_LETTERS_DEFAULT, _DEAD_LETTERS_MAX = 100, 10_000
_SECOND = Decimal(instants.SECOND_US)


def answer_agents(journal: Journal, request: query_pb2.AgentsRequest) -> query_pb2.AgentsResponse:
    """Every chain that the ledger holds. Raises BadQuestion, JournalError."""
    view = Book.at(journal, request.as_of).view
    rows = [
        query_pb2.AgentRow(
            agent=row["agent"],
            epoch=row["epoch"],
            sequence=row["sequence"],
            hash=row["hash"],
            samples=row["samples"],
            events=row["events"],
            last_seen=instants.text(row["last_us"]),
        )
        for row in view.chains().to_pylist()
    ]
    return query_pb2.AgentsResponse(as_of=view.position, rows=rows)


def answer_coverage(
    journal: Journal, request: query_pb2.CoverageRequest, seen: frozenset[str] | None = None
) -> query_pb2.CoverageResponse:
    """Observed and expected time per source, every interval that was not wholly observed, until when each source is accounted for, and
    the events that count for nothing.

    Who may see only some tenants gets the sources that these have usage from, and no reasons, which may name others.
    """
    book = Book.at(journal, request.as_of)
    start_us, end_us = book.hours(request.range)
    observation = Observation(book.view, start_us, end_us)
    sources = observation.sources if seen is None else sources_of(book.view, seen).intersection(observation.sources)
    unknown = sorted(set(request.sources).difference(sources))
    if unknown:
        known = suggestion(unknown[0], sorted(sources))
        raise BadQuestion(f"sources: there is no source {unknown[0]!r}; {known}")
    rows = []
    for source in sorted(set(request.sources)) or sorted(sources):
        observed_us, expected_us = observation.between(source, start_us, end_us)
        share = portion(observed_us, expected_us)
        rows.append(
            query_pb2.CoverageRow(
                source=source,
                observed_s=plain_text(observed_us / _SECOND),
                expected_s=plain_text(expected_us / _SECOND),
                coverage="" if share is None else plain_text(share),
                gaps=[_gap(hole, seen is None) for hole in holes(observation, source, start_us, end_us)],
                **_standing(book.view, observation.accounts, source),
            )
        )
    return query_pb2.CoverageResponse(
        as_of=book.view.position,
        rows=rows,
        time=instants.text(book.view.time_us) if book.view.position else "",
        uncounted=_uncounted(book, start_us, end_us, set(request.sources)) if seen is None else [],
    )


def _standing(view: View, accounts: Accounts, source: str) -> dict[str, str]:
    """Until when a source is accounted for, whatever the range, and how far behind the book that is."""
    watermark_us = accounts.watermark(source)
    assert watermark_us is not None
    late_s = max(view.time_us - watermark_us, 0) / _SECOND
    return {
        "watermark": instants.text(watermark_us),
        "late_s": plain_text(late_s),
        "state": accounts.state(source),
    }


def _uncounted(book: Book, start_us: int, end_us: int, origins: Collection[str]) -> list[query_pb2.UncountedEvents]:
    """Per meter the events that its expression makes no value of, with the earliest as an example."""
    rows = []
    for name in book.catalog.names("meter"):
        found: list[Uncounted] = []
        for version in meter_versions(book.catalog, name):
            low_us, high_us = max(start_us, version.start_us), min(end_us, version.end_us)
            if low_us < high_us:
                found += without_value(book.view, version.meter, low_us, high_us, origins).values()
        if not found:
            continue
        first = min(found, key=lambda each: (each.since_us, each.source, each.id))
        rows.append(
            query_pb2.UncountedEvents(
                meter=name,
                events=sum(each.events for each in found),
                since=instants.text(first.since_us),
                origin=first.origin,
                source=first.source,
                id=first.id,
                reason=first.reason,
            )
        )
    return rows


def _gap(hole: Hole, is_open: bool) -> query_pb2.CoverageGap:
    return query_pb2.CoverageGap(
        start=instants.text(hole.start_us),
        end=instants.text(hole.end_us),
        status=hole.status,
        reason=hole.reason if is_open else "",
        agent=hole.agent if is_open else "",
        outlook=hole.outlook,
    )


def answer_dead_letters(journal: Journal, request: query_pb2.DeadLettersRequest) -> query_pb2.DeadLettersResponse:
    """The newest dead letters, and how many there are."""
    limit = request.limit or _DEAD_LETTERS_DEFAULT
    if not 0 < limit <= _DEAD_LETTERS_MAX:
        raise BadQuestion(f"limit: {limit} is not between 1 and {_DEAD_LETTERS_MAX}")
    view = Book.at(journal, request.as_of).view
    rows = [query_pb2.DeadLetter(**row) for row in view.dead_letters(limit).to_pylist()]
    return query_pb2.DeadLettersResponse(as_of=view.position, rows=rows, total=view.count("dead_letters"))


def answer_definitions(journal: Journal, request: query_pb2.DefinitionsRequest) -> query_pb2.DefinitionsResponse:
    """Every version of every definition, of one kind or of all."""
    if request.kind and request.kind not in KINDS:
        raise BadQuestion(f"kind: there is no kind {request.kind!r}; {suggestion(request.kind, sorted(KINDS))}")
    view = Book.at(journal, request.as_of).view
    rows = [
        query_pb2.Definition(
            kind=row["kind"],
            name=row["name"],
            version=row["version"],
            effective_from=instants.text(row["effective_from"]) if row["effective_from"] else "",
            spec=row["spec"],
            position=row["position"],
            author=row["author"],
        )
        for row in view.definitions().to_pylist()
        if not request.kind or row["kind"] == request.kind
    ]
    return query_pb2.DefinitionsResponse(as_of=view.position, rows=rows)
