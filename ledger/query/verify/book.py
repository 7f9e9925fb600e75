"""The check of a book that is open: the whole of it, or the records between two positions.

The tables are looked at through a new snapshot for each group of records and for each meter, since they are compacted only while
nobody holds one. Nothing is lost by that: rows are never changed, and the end of what is checked is decided at the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from ledger.directory.versions import UnreadableDefinition
from ledger.journal.derive import State, initial_state
from ledger.journal.errors import StoreDamaged
from ledger.journal.journal import Journal
from ledger.journal.record import Record
from ledger.journal.view import View
from ledger.proof.errors import TablesDiffer
from ledger.proof.hashes import TableHashes, differing
from ledger.query.questions import BadQuestion, Book
from ledger.query.verify.entries import entry_faults
from ledger.query.verify.records import RecordCheck
from ledger.query.verify.rows import RowCheck
from meterbook.ledger.v1 import query_pb2
from meterbook.proof.checkpoint import Checkpoint
from meterbook.proof.merkle import Frontier
from meterbook.proof.tiles import Tiles

_GROUP_BYTES = 32 << 20
_FAULTS_MAX = 100
Steps = Iterator[query_pb2.VerifyResponse]


@dataclass(frozen=True)
class _Part:
    """The positions to check, and the tree that the log says to have at the last of them, if it says."""

    first: int
    last: int
    is_whole: bool
    tree: Frontier | None


def verify(journal: Journal, first: int = 0, last: int = 0, against: Checkpoint | None = None) -> Steps:
    """Progress, and last the verdict; of positions ``first`` to ``last``, 0 for all.

    ``against`` is an older checkpoint, its signature checked. Raises BadQuestion for positions that are not in the book,
    JournalError where the log or the tables cannot be read just now.
    """
    part = _part(journal, first, last, against)
    verdict = query_pb2.Verdict(from_position=part.first, position=part.last)
    # Waits until the tables hold it. That they lack its row is found below.
    with suppress(LookupError):
        journal.view(part.last)
    faults: list[str] = []
    try:
        records, rows = _begun(journal, part, against)
        try:
            for group in _groups(journal, part):
                rows.group(group, records.group(group), journal.tables.snapshot())
                yield query_pb2.VerifyResponse(stage="log and tables", done=group[-1].position, total=part.last)
            records.finish()
        finally:
            faults += [*records.faults, *rows.faults]
        if part.tree is not None and records.frontier != part.tree:
            faults.append(
                f"the ledger says that the root at position {part.last} is {part.tree.root().hex()}, and the log gives "
                f"{records.frontier.root().hex()}"
            )
        verdict.root = records.frontier.root().hex()
        verdict.against_size = against.size if against else 0
    except (StoreDamaged, TablesDiffer) as error:
        faults.append(str(error))
    if part.is_whole:
        strays = RowCheck(initial_state())
        strays.strays(journal.tables.snapshot())
        faults += strays.faults
        yield from _entries(journal, part.last, faults)
    _count(journal, part, verdict)
    verdict.faults.extend(faults[:_FAULTS_MAX])
    verdict.holds = not faults
    yield query_pb2.VerifyResponse(stage="done", done=part.last, total=part.last, verdict=verdict)


def _part(journal: Journal, first: int, last: int, against: Checkpoint | None) -> _Part:
    tree = journal.log.frontier
    end = tree.size
    if first < 0 or last < 0 or first > end or last > end or (last and last < first):
        raise BadQuestion(f"from_position, to_position: {first} to {last} is no part of the book, which ends at {end}")
    if against is not None and first > 1:
        raise BadQuestion("against: an older checkpoint is of the book from its beginning; leave from_position out")
    is_whole = first <= 1 and last in (0, end)
    return _Part(max(first, 1), last or end, is_whole, tree if last in (0, end) else None)


def _begun(journal: Journal, part: _Part, against: Checkpoint | None) -> tuple[RecordCheck, RowCheck]:
    """The checks as they stand before the first record of the part; what the tables say of the tree there must be right."""
    before = part.first - 1
    if before == 0:
        return RecordCheck(against=against), RowCheck(initial_state())
    tables = journal.tables.snapshot()
    reader = journal.log.reader(before, stored=True)
    frontier = reader.frontier
    reader.close()
    view = View(tables, before, 0)
    with differing():
        records = RecordCheck(view.heads(), frontier)
        if Frontier.at(before, Tiles(before, TableHashes(tables))) != frontier:
            raise TablesDiffer(f"the tables have another tree of {before} records than the log")
    return records, RowCheck(State(view.known_series(), frontier))


def _groups(journal: Journal, part: _Part) -> Iterator[list[Record]]:
    reader = journal.log.reader(part.first - 1, stored=True)
    try:
        position = part.first - 1
        while position < part.last:
            records = [record for record in reader.read(_GROUP_BYTES) if record.position <= part.last]
            if not records:
                raise StoreDamaged(f"the log ends at position {position}, before {part.last}")
            position = records[-1].position
            yield records
    finally:
        reader.close()


def _entries(journal: Journal, position: int, faults: list[str]) -> Steps:
    try:
        names = Book.at(journal, position).catalog.names("meter")
        for done, name in enumerate(names, 1):
            faults += entry_faults(Book.at(journal, position), name)
            yield query_pb2.VerifyResponse(stage="entries", done=done, total=len(names))
    except (UnreadableDefinition, BadQuestion) as error:
        faults.append(f"the entries cannot be checked: {error}")


def _count(journal: Journal, part: _Part, verdict: query_pb2.Verdict) -> None:
    tables = journal.tables.snapshot()
    for name in ("batches", "samples", "events", "entries"):
        rows = tables.query(
            f"SELECT count(*) AS value FROM {name} WHERE position BETWEEN ? AND ?",  # noqa: S608 - one of four
            [part.first, part.last],
        )
        setattr(verdict, name, rows["value"][0].as_py())
