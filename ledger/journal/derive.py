"""The table rows that follow from a record: the one place where the log's meaning is turned into columns.

A pure function from (record, what was known before) to Arrow tables, so that filling the tables, rebuilding them and
verifying them are the same computation. Every row carries the position of the record that it came from.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ledger.journal.frames import Kind, Record
from ledger.journal.quantity import to_decimal
from ledger.journal.screening import KnownSeries, screen
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire import sections
from meterbook.wire.sections import QUANTITY, SCHEMAS, Sections

_TIME = pa.timestamp("us")
#: Decoding an accepted batch again cannot exceed what intake allowed.
_ROWS_MAX = 1 << 31

Rows = dict[str, pa.Table]


def _stored(schema: pa.Schema) -> pa.Schema:
    """A section's columns as the tables keep them: times without a zone, and the position behind."""
    columns = [(field.name, _TIME if pa.types.is_timestamp(field.type) else field.type) for field in schema]
    return pa.schema([*columns, ("position", pa.int64())])


TABLES: dict[str, pa.Schema] = {
    **{name: _stored(SCHEMAS[name]) for name in ("series", "samples", "events", "coverage", "dead_letters")},
    "records": pa.schema(
        [("kind", pa.utf8()), ("time", _TIME), ("head", pa.utf8()), ("position", pa.int64())],
    ),
    "batches": pa.schema(
        [
            ("agent", pa.utf8()),
            ("epoch", pa.int64()),
            ("sequence", pa.int64()),
            ("hash", pa.utf8()),
            ("samples", pa.int64()),
            ("events", pa.int64()),
            ("time", _TIME),
            ("position", pa.int64()),
        ]
    ),
    "definitions": pa.schema(
        [
            ("kind", pa.utf8()),
            ("name", pa.utf8()),
            ("version", pa.int64()),
            ("effective_from", pa.int64()),
            ("spec", pa.utf8()),
            ("author", pa.utf8()),
            ("position", pa.int64()),
        ]
    ),
    "runs": pa.schema(
        [
            ("meter", pa.utf8()),
            ("version", pa.int64()),
            ("start", _TIME),
            ("end", _TIME),
            ("at_position", pa.int64()),
            ("position", pa.int64()),
        ]
    ),
    "entries": pa.schema(
        [
            ("meter", pa.utf8()),
            ("version", pa.int64()),
            ("tenant", pa.utf8()),
            ("dimensions", pa.utf8()),
            ("hour", _TIME),
            ("quantity", QUANTITY),
            ("estimated", QUANTITY),
            ("observed_us", pa.int64()),
            ("expected_us", pa.int64()),
            ("position", pa.int64()),
        ]
    ),
}


def decode_batch(batch: intake_pb2.Batch, rows_max: int = _ROWS_MAX) -> Sections:
    """The sections of a batch, which share one bound on their bytes in memory. Raises sections.MalformedSection."""
    found: dict[str, pa.Table] = {}
    for name in SCHEMAS:
        left = sections.DECODED_BYTES_MAX - sum(table.nbytes for table in found.values())
        found[name] = sections.decode(name, getattr(batch, name), rows_max, left)
    return Sections(**found)


def derive(record: Record, known: KnownSeries) -> tuple[Rows, KnownSeries]:
    """Rows by table name that follow from ``record``, and the series known after it."""
    if record.kind is Kind.BATCH:
        rows, known = _batch(record, known)
    elif record.kind is Kind.DEFINITIONS:
        rows = _definitions(record)
    else:
        rows = _run(record)
    about = (record.kind.name.lower(), record.time_us, record.head.hex(), record.position)
    rows["records"] = _from_rows([about], TABLES["records"])
    return rows, known


def _batch(record: Record, known: KnownSeries) -> tuple[Rows, KnownSeries]:
    stored = journal_pb2.BatchRecord.FromString(record.payload)
    content = decode_batch(stored.batch)
    kept, known = screen(content, record.time_us, known)
    rows = {name: _positioned(table, TABLES[name], record.position) for name, table in kept.tables().items()}
    rows["batches"] = pa.table(
        [
            [stored.agent],
            [stored.epoch],
            [stored.batch.sequence],
            [stored.batch.hash.hex()],
            [kept.samples.num_rows],
            [kept.events.num_rows],
            [record.time_us],
            [record.position],
        ],
        schema=TABLES["batches"],
    )
    return rows, known


def _positioned(table: pa.Table, schema: pa.Schema, position: int) -> pa.Table:
    table = table.append_column("position", pa.repeat(pa.scalar(position, pa.int64()), table.num_rows))
    return table.cast(schema)


def _definitions(record: Record) -> Rows:
    stored = journal_pb2.DefinitionsRecord.FromString(record.payload)
    rows = [
        (each.kind, each.name, each.version, each.effective_from_us, each.spec, stored.author, record.position)
        for each in stored.versions
    ]
    return {"definitions": _from_rows(rows, TABLES["definitions"])}


def _run(record: Record) -> Rows:
    run = journal_pb2.RunRecord.FromString(record.payload)
    entries = [
        (
            run.meter,
            run.version,
            entry.tenant,
            entry.dimensions,
            entry.hour_us,
            to_decimal(int(entry.quantity_nano)),
            to_decimal(int(entry.estimated_nano)),
            entry.observed_us,
            entry.expected_us,
            record.position,
        )
        for entry in run.entries
    ]
    runs = [(run.meter, run.version, run.start_us, run.end_us, run.at_position, record.position)]
    return {"runs": _from_rows(runs, TABLES["runs"]), "entries": _from_rows(entries, TABLES["entries"])}


def _from_rows(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
