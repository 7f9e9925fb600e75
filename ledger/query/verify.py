"""Verify: does the book still say what was acknowledged, and does everything in it follow from the log?

Four checks, each from the bytes up: every record of the log is intact and follows from the one before; every batch carries
the hash of its content and follows in its agent's chain; the tables hold exactly the rows that the log gives; and
the entries of every meter add up to what measuring the same hours at the position of their run gives again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ledger.directory.decimals import plain_text
from ledger.journal.derive import TABLES, Rows, decode_batch, derive, initial_state
from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal
from ledger.journal.quantity import to_decimal
from ledger.journal.record import NO_HEAD, Head, Kind, Record, agent_of
from ledger.journal.view import View
from ledger.metering.booking import MeterVersion, booked, difference, meter_versions
from ledger.metering.measure import Measured, measure
from ledger.query.questions import Book
from meterbook.ledger.v1 import journal_pb2, query_pb2
from meterbook.wire import instants
from meterbook.wire.seal import ChainPlace, batch_hash
from meterbook.wire.sections import MalformedSection

_GROUP_BYTES = 32 << 20
_FAULTS_MAX = 100


def verify(journal: Journal) -> Iterator[query_pb2.VerifyResponse]:
    """Progress, and last the verdict. Raises JournalError only where the book cannot be opened at all."""
    book = Book.at(journal, 0)
    view = book.view
    check = _Check(view)
    verdict = query_pb2.Verdict(position=view.position)
    try:
        for group in _groups(journal, view.position):
            check.group(group)
            yield query_pb2.VerifyResponse(stage="log and tables", done=group[-1].position, total=view.position)
    except JournalError as error:
        check.faults.append(str(error))
    check.strays()
    meters = book.catalog.names("meter")
    for done, name in enumerate(meters, 1):
        check.entries(book, name)
        yield query_pb2.VerifyResponse(stage="entries", done=done, total=len(meters))
    verdict.batches, verdict.samples = view.count("batches"), view.count("samples")
    verdict.events, verdict.entries = view.count("events"), view.count("entries")
    verdict.faults.extend(check.faults[:_FAULTS_MAX])
    verdict.root = check.root.hex()
    verdict.holds = not check.faults
    yield query_pb2.VerifyResponse(stage="done", done=view.position, total=view.position, verdict=verdict)


def _groups(journal: Journal, until: int) -> Iterator[list[Record]]:
    reader = journal.log.reader(stored=True)
    try:
        while records := [record for record in reader.read(_GROUP_BYTES) if record.position <= until]:
            yield records
    finally:
        reader.close()


class _Check:
    """What has been seen of the log so far, and what was found wrong."""

    def __init__(self, view: View) -> None:
        self.faults: list[str] = []
        self._view = view
        self._state = initial_state()
        self._heads: dict[str, Head] = {}

    @property
    def root(self) -> bytes:
        """Root of the Merkle tree over what was read."""
        return self._state.frontier.root()

    def group(self, records: list[Record]) -> None:
        for record in records:
            self._link(record)
            if record.kind is Kind.BATCH:
                self._batch(record)
        rows, self._state = derive(records, self._state)
        self._tables(rows, records)

    def _link(self, record: Record) -> None:
        draft = record.draft
        head = self._heads.get(draft.chain, NO_HEAD)
        what = f"position {record.position}: record {draft.sequence} of {draft.chain}"
        if draft.sequence != head.sequence + 1:
            self.faults.append(f"{what} does not follow {head.sequence}")
        if draft.previous != head.hash:
            self.faults.append(f"{what} is not sealed to the one before it")
        if not draft.check_hash():
            self.faults.append(f"{what} has another content than its hash says")
        self._heads[draft.chain] = Head(draft.sequence, draft.hash, record.position)

    def _batch(self, record: Record) -> None:
        draft = record.draft
        what = f"position {record.position}: record {draft.sequence} of {draft.chain}"
        stored = journal_pb2.BatchRecord.FromString(record.payload)
        agent, epoch = agent_of(draft.chain)
        batch = stored.batch
        if (stored.agent, stored.epoch, batch.sequence, batch.previous_hash, batch.hash) != (
            *(agent, epoch),
            *(draft.sequence, draft.previous, draft.hash),
        ):
            self.faults.append(f"{what} says of itself that it is {batch.sequence} of {stored.agent}/{stored.epoch}")
        try:
            place = ChainPlace(agent, epoch, draft.sequence, draft.previous)
            if batch_hash(place, decode_batch(batch)) != draft.hash:
                self.faults.append(f"{what} has another content than its hash says")
        except MalformedSection as error:
            self.faults.append(f"{what} cannot be read: {error}")

    def _tables(self, expected: Rows, records: list[Record]) -> None:
        first, last = records[0].position, records[-1].position
        for name, schema in TABLES.items():
            stand = self._view.rows(name, first, last).cast(schema)
            derived = expected.get(name, schema.empty_table())
            if not _sorted(stand).equals(_sorted(derived)):
                self.faults.append(
                    f"table {name} holds {stand.num_rows} rows of positions {first} to {last} that are not the "
                    f"{derived.num_rows} that follow from the log; make the tables anew from the log"
                )

    def entries(self, book: Book, name: str) -> None:
        """Whether the entries of a meter are what its runs, each at the position that it read, must have left."""
        runs = book.view.runs(name).to_pylist()
        for version in meter_versions(book.catalog, name):
            start_us = version.start_us
            # The last run settled all hours before its end, the one before that what lies beyond, and so on.
            for run in reversed([run for run in runs if run["version"] == version.version]):
                end_us = min(version.end_us, run["end_us"])
                if start_us < end_us:
                    self._run(book, version, run["at_position"], start_us, end_us)
                start_us = max(start_us, end_us)

    def _run(self, book: Book, version: MeterVersion, at_position: int, start_us: int, end_us: int) -> None:
        try:
            then = View.at(book.view.tables, at_position)
        except LookupError as error:
            self.faults.append(f"a run of meter {version.name} cannot be checked: {error}")
            return
        measured = measure(then, version.meter, start_us, end_us)
        self._compare(version.name, measured, booked(book.view, version.name, start_us, end_us))

    def _compare(self, name: str, measured: Measured, standing: Measured) -> None:
        for (key, hour_us), amount in difference(measured, standing).items():
            what = f"entries of meter {name}, tenant {key.tenant}, hour {instants.text(hour_us)}"
            if amount.quantity:
                self.faults.append(f"{what} are off by {plain_text(to_decimal(amount.quantity))}")
            elif amount.estimated:
                self.faults.append(f"{what} are off by {plain_text(to_decimal(amount.estimated))} in what is estimated")
            else:
                self.faults.append(f"{what} have another coverage than was measured")

    def strays(self) -> None:
        """Rows of the tables that belong to no record, and so to none of the groups."""
        for name in TABLES:
            if found := self._view.stray(name):
                self.faults.append(f"table {name} holds {found} rows of no record; make the tables anew from the log")


def _sorted(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in table.column_names]).combine_chunks()
