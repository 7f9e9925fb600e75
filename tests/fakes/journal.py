"""A journal in memory whose clock the test sets: the real records, derivation and views over plain DuckDB tables.

It opens in milliseconds, so thousands of histories can be tried. Durability is not its business.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from ledger.directory.documents import Document
from ledger.directory.manifest import parse_manifests
from ledger.journal.derive import TABLES, derive, initial_state
from ledger.journal.errors import Overtaken
from ledger.journal.fence import admit
from ledger.journal.record import DEFINITIONS_CHAIN, NO_HEAD, Draft, Head, Kind, Record, follow
from ledger.journal.remembered import Remembered
from ledger.journal.view import View
from ledger.schema.spec import canonical
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.leaf import agent_chain
from meterbook.wire.seal import ChainPlace, batch_hash
from meterbook.wire.sections import Sections, encode

_TYPES = {
    "int64": "BIGINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "timestamp[us]": "TIMESTAMP",
    "decimal128(38, 18)": "DECIMAL(38,18)",
}


class MemoryTables:
    """What a view asks, over an in-memory DuckDB that is emptied and used again."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        self._lock = threading.Lock()
        for name, schema in TABLES.items():
            columns = ", ".join(f'"{field.name}" {_TYPES.get(str(field.type), "DECIMAL(38,9)")}' for field in schema)
            self._connection.execute(f"CREATE TABLE {name} ({columns})")
        self._connection.execute("CREATE TABLE watermark AS SELECT 0::BIGINT AS position")

    @property
    def watermark(self) -> int:
        return int(self.query("SELECT position FROM watermark").to_pylist()[0]["position"])

    def empty(self) -> None:
        for name in TABLES:
            self._connection.execute(f"DELETE FROM {name}")
        self._connection.execute("UPDATE watermark SET position = 0")

    def apply(self, rows: Mapping[str, pa.Table], position: int) -> None:
        with self._lock:
            for name, table in rows.items():
                self._connection.register("incoming", table)
                self._connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")
                self._connection.unregister("incoming")
            self._connection.execute("UPDATE watermark SET position = ?", [position])

    def query(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        cursor = self._connection.cursor()
        try:
            for name, table in (given or {}).items():
                cursor.register(name, table)
            return cursor.execute(sql, list(parameters)).to_arrow_table()
        finally:
            cursor.close()

    def stream(
        self, sql: str, parameters: Sequence[object] = (), given: Mapping[str, pa.Table] | None = None
    ) -> Generator[pa.RecordBatch]:
        # In small parts, and as rows lie: in the order in which they came.
        yield from self.query(sql, parameters, given).to_batches(max_chunksize=3)

    def extents(self, name: str) -> pa.Table:
        # As if there were a file for each position.
        return self.query(
            f"SELECT epoch_us(min(time)) AS start_us, epoch_us(max(time)) AS end_us, count(*) AS rows FROM {name}"
            " GROUP BY position ORDER BY start_us, end_us"
        )


_spare: list[MemoryTables] = []


class MemoryJournal:
    """Append and view; ``now_us`` is the time that the next record is committed at."""

    def __init__(self, tables: MemoryTables, now_us: int = 0) -> None:
        self.tables = tables
        self._remembered = Remembered()
        self.now_us = now_us
        self.records: list[Record] = []
        self._state = initial_state()
        self._heads: dict[str, Head] = {}
        self._lock = threading.Lock()

    @property
    def log(self) -> MemoryJournal:
        return self

    def append(self, draft: Draft) -> Future[int]:
        future: Future[int] = Future()
        with self._lock:
            admitted = admit([draft], self._heads, len(self.records) + 1)
            (outcome,) = admitted.outcomes
            if admitted.drafts:
                record = Record(len(self.records) + 1, self.now_us, draft)
                rows, self._state = derive([record], self._state)
                self.tables.apply(rows, record.position)
                self.records.append(record)
                self._heads.update(admitted.heads)
        if isinstance(outcome, Overtaken):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return future

    @property
    def end(self) -> int:
        return len(self.records)

    def refresh(self) -> int:
        return self.end

    def head(self, chain: str, view: View | None = None) -> Head:
        head = self._heads.get(chain, NO_HEAD)
        if view is not None and head.position > view.position:
            raise Overtaken(f"{chain}: record {head.sequence} is newer than the book that was read; read it again")
        return head

    def extend(self, kind: Kind, chain: str, head: Head, payload: bytes) -> Head:
        draft = follow(kind, chain, head, payload)
        return Head(draft.sequence, draft.hash, self.append(draft).result())

    def view(self, position: int = 0) -> View:
        if not 0 <= position <= len(self.records):
            raise LookupError(f"position {position} is not in the book, which ends at {len(self.records)}")
        return View.at(self.tables, position or len(self.records), self._remembered)  # type: ignore[arg-type]

    def send(self, agent: str, content: Sections) -> int:
        """Accept a batch; gives its position."""
        chain = agent_chain(agent, 1)
        sequence, head, _ = self.head(chain)
        place = ChainPlace(agent, 1, sequence + 1, head)
        batch = intake_pb2.Batch(
            sequence=sequence + 1,
            previous_hash=head,
            hash=batch_hash(place, content),
            **{name: encode(table) for name, table in content.tables().items()},
        )
        payload = journal_pb2.BatchRecord(agent=agent, epoch=1, batch=batch).SerializeToString()
        return self.append(Draft(Kind.BATCH, chain, sequence + 1, head, batch.hash, payload)).result()

    def define(self, text: str, versions: Mapping[str, int] | None = None) -> int:
        """Write the definitions of some YAML; ``versions`` are by name, 1 for those left out."""
        manifest = parse_manifests([("test.yaml", text)])
        assert not manifest.faults, manifest.faults
        written = [_version(each, (versions or {}).get(each.name, 1)) for each in manifest.documents]
        record = journal_pb2.DefinitionsRecord(author="test", versions=written)
        head = self.head(DEFINITIONS_CHAIN)
        return self.extend(Kind.DEFINITIONS, DEFINITIONS_CHAIN, head, record.SerializeToString()).position


def _version(document: Document, version: int) -> journal_pb2.DefinitionVersion:
    return journal_pb2.DefinitionVersion(
        kind=document.kind,
        name=document.name,
        version=version,
        effective_from_us=document.effective_from_us,
        spec=canonical(document.spec),
    )


@contextmanager
def memory_journal(now_us: int = 0) -> Iterator[MemoryJournal]:
    """An empty journal; its tables are used again for the next."""
    tables = _spare.pop() if _spare else MemoryTables()
    try:
        yield MemoryJournal(tables, now_us)
    finally:
        tables.empty()
        _spare.append(tables)
