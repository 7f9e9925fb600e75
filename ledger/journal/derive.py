"""The table rows that follow from records: the one place where the log's meaning is turned into columns.

A pure function from (records, what was known before) to Arrow tables, so that filling the tables, rebuilding them and
verifying them are the same computation, however the records are grouped. Every row carries the position of the record
that it came from. Batches that define no series and have nothing to be set aside, nearly all, are taken together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from ledger.journal.amendment import AMENDED, Amendment
from ledger.journal.quantity import to_decimal
from ledger.journal.record import Kind, Record, agent_of, series_of
from ledger.journal.screening import KnownSeries, screen
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.merkle import Frontier, Subtree
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
    **{name: _stored(schema) for name, schema in SCHEMAS.items()},
    "records": pa.schema(
        [
            ("kind", pa.utf8()),
            ("chain", pa.utf8()),
            ("sequence", pa.int64()),
            ("hash", pa.utf8()),
            ("time", _TIME),
            ("position", pa.int64()),
        ],
    ),
    "tiles": pa.schema([("level", pa.int64()), ("tile", pa.int64()), ("hash", pa.utf8()), ("position", pa.int64())]),
    "acts": pa.schema(
        [
            ("kind", pa.utf8()),
            ("name", pa.utf8()),
            ("document", pa.utf8()),
            ("author", pa.utf8()),
            ("position", pa.int64()),
        ]
    ),
    # The event as it is from then on; of what it was before only what tells how far back that reaches, and to whom.
    "amendments": pa.schema(
        [
            ("source", pa.utf8()),
            ("id", pa.utf8()),
            ("origin", pa.utf8()),
            ("type", pa.utf8()),
            ("tenant", pa.utf8()),
            ("time", _TIME),
            ("value", QUANTITY),
            ("properties", pa.utf8()),
            ("is_void", pa.int64()),
            ("tenant_before", pa.utf8()),
            ("time_before", _TIME),
            ("document", pa.utf8()),
            ("author", pa.utf8()),
            ("position", pa.int64()),
        ]
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
    # The total is text, so that it stays as it was printed.
    "invoices": pa.schema(
        [
            ("kind", pa.utf8()),
            ("series", pa.utf8()),
            ("number", pa.int64()),
            ("id", pa.utf8()),
            ("tenant", pa.utf8()),
            ("subscription", pa.utf8()),
            ("start", _TIME),
            ("end", _TIME),
            ("at_position", pa.int64()),
            ("currency", pa.utf8()),
            ("total", pa.utf8()),
            ("corrects", pa.utf8()),
            ("author", pa.utf8()),
            ("caller", pa.utf8()),
            ("finalized", _TIME),
            ("document", pa.utf8()),
            ("position", pa.int64()),
        ]
    ),
    # Beside the runs and not in them: a run has several, and those of an older release have none.
    "causes": pa.schema(
        [
            ("meter", pa.utf8()),
            ("kind", pa.utf8()),
            ("name", pa.utf8()),
            ("number", pa.int64()),
            ("start", _TIME),
            ("end", _TIME),
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


def decode_batch(
    batch: intake_pb2.Batch, rows_max: int = _ROWS_MAX, names: Collection[str] = SCHEMAS.keys()
) -> Sections:
    """The sections of a batch, or those of ``names``, which share one bound on their bytes in memory.

    Raises sections.MalformedSection.
    """
    found: dict[str, pa.Table] = {}
    left = sections.DECODED_BYTES_MAX
    for name in names:
        found[name] = sections.decode(name, getattr(batch, name), rows_max, left)
        # Asking an empty table for its size costs as much as decoding a small one.
        left -= sections.size(found[name]) if found[name].num_rows else 0
    return sections.sections(**found)


@dataclass(frozen=True)
class State:
    """What the records so far have left: the series they defined, and the edge of the Merkle tree over them."""

    series: KnownSeries
    frontier: Frontier


def initial_state() -> State:
    """Before the first record."""
    return State(KnownSeries.of(TABLES["series"].empty_table()), Frontier())


def derive(
    records: Sequence[Record], state: State, contents: Mapping[int, Sections] = MappingProxyType({})
) -> tuple[Rows, State]:
    """Rows by table name that follow from ``records``, and the state after them.

    ``contents`` are those of batches that somebody has decoded already, by position.
    """
    batches = [
        (record, found if (found := contents.get(record.position)) is not None else decoded(record))
        for record in records
        if record.kind is Kind.BATCH
    ]
    parts, series = _batches(batches, state.series)
    for record in records:
        if record.kind is not Kind.BATCH:
            for name, table in _OTHERS[record.kind](record).items():
                parts.setdefault(name, []).append(table)
    frontier, complete = state.frontier.grown(record.leaf for record in records)
    if complete:
        parts["tiles"] = [_from_rows([_tile(subtree) for subtree in complete], TABLES["tiles"])]
    parts["records"] = [_from_rows([_about(record) for record in records], TABLES["records"])]
    return {name: pa.concat_tables(tables) for name, tables in parts.items()}, State(series, frontier)


def decoded(record: Record) -> Sections:
    """The content of a batch's record. Bytes that were accepted once can be decoded again."""
    return decode_batch(journal_pb2.BatchRecord.FromString(record.payload).batch)


def _batches(
    batches: Sequence[tuple[Record, Sections]], known: KnownSeries
) -> tuple[dict[str, list[pa.Table]], KnownSeries]:
    parts: dict[str, list[pa.Table]] = {}
    together: list[tuple[Record, Sections]] = []
    for record, content in batches:
        if content.series.num_rows:
            _screen_together(together, known, parts)
            together = []
            known = _screen_one(record, content, known, parts)
        else:
            together.append((record, content))
    _screen_together(together, known, parts)
    return parts, known


def _screen_together(
    batches: list[tuple[Record, Sections]], known: KnownSeries, parts: dict[str, list[pa.Table]]
) -> None:
    """Screen batches that define no series, at once if that sets nothing aside."""
    if not batches:
        return
    merged = Sections(
        **{
            name: pa.concat_tables([table for _, content in batches if (table := getattr(content, name)).num_rows])
            if any(getattr(content, name).num_rows for _, content in batches)
            else schema.empty_table()
            for name, schema in SCHEMAS.items()
        }
    )
    # The earliest commit has the strictest idea of what lies in the future.
    kept, _ = screen(merged, batches[0][0].time_us, known)
    if not kept.dead_letters.equals(merged.dead_letters):
        for record, content in batches:
            _screen_one(record, content, known, parts)
        return
    for name, table in kept.tables().items():
        if table.num_rows:
            positions = [np.full(getattr(content, name).num_rows, record.position) for record, content in batches]
            parts.setdefault(name, []).append(_positioned(name, table, positions))
    rows = [_batch_row(record, content) for record, content in batches]
    parts.setdefault("batches", []).append(_from_rows(rows, TABLES["batches"]))


def _screen_one(record: Record, content: Sections, known: KnownSeries, parts: dict[str, list[pa.Table]]) -> KnownSeries:
    kept, known = screen(content, record.time_us, known)
    for name, table in kept.tables().items():
        if table.num_rows:
            parts.setdefault(name, []).append(_positioned(name, table, [np.full(table.num_rows, record.position)]))
    parts.setdefault("batches", []).append(_from_rows([_batch_row(record, kept)], TABLES["batches"]))
    return known


def _batch_row(record: Record, kept: Sections) -> tuple[object, ...]:
    agent, epoch = agent_of(record.draft.chain)
    counts = (kept.samples.num_rows, kept.events.num_rows)
    return agent, epoch, record.draft.sequence, record.draft.hash.hex(), *counts, record.time_us, record.position


def _about(record: Record) -> tuple[object, ...]:
    draft = record.draft
    return record.kind.name.lower(), draft.chain, draft.sequence, draft.hash.hex(), record.time_us, record.position


def _tile(subtree: Subtree) -> tuple[object, ...]:
    """Inner hashes of the tree that proofs begin from; the position is that of the record that completed it."""
    return subtree.level, subtree.index, subtree.hash.hex(), (subtree.index + 1) << subtree.level


def _positioned(name: str, table: pa.Table, positions: list[np.ndarray]) -> pa.Table:
    columns = [column.cast(field.type) for column, field in zip(table.columns, TABLES[name], strict=False)]
    return pa.Table.from_arrays([*columns, pa.chunked_array(positions, pa.int64())], schema=TABLES[name])


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
    causes = [
        (run.meter, each.kind, each.name, each.count, each.start_us, each.end_us, record.position)
        for each in run.causes
    ]
    found: dict[str, Sequence[tuple[object, ...]]] = {"runs": runs, "entries": entries, "causes": causes}
    return {name: _from_rows(rows, TABLES[name]) for name, rows in found.items()}


def _act(record: Record) -> Rows:
    act = journal_pb2.ActRecord.FromString(record.payload)
    row = (act.kind, act.name, act.document, act.author, record.position)
    rows = {"acts": _from_rows([row], TABLES["acts"])}
    if act.kind == AMENDED:
        rows["amendments"] = _from_rows([_amendment(act, record.position)], TABLES["amendments"])
    return rows


def _amendment(act: journal_pb2.ActRecord, position: int) -> tuple[object, ...]:
    found = Amendment.of(act.document)
    before, after = found.before, found.after
    said = (after.tenant, after.time_us, after.value, after.properties, int(after.is_void))
    event = (found.source, found.id, found.origin, found.type)
    return *event, *said, before.tenant, before.time_us, act.document, act.author, position


def _invoice(record: Record) -> Rows:
    found = journal_pb2.InvoiceRecord.FromString(record.payload)
    # Its place in the chain is the number, whatever it says of itself.
    named = (found.kind, series_of(record.draft.chain), record.draft.sequence, found.id)
    covers = (found.tenant, found.subscription, found.start_us, found.end_us, found.at_position)
    said = (found.currency, found.total, found.corrects, found.author, found.caller, found.finalized_us, found.document)
    return {"invoices": _from_rows([(*named, *covers, *said, record.position)], TABLES["invoices"])}


def _from_rows(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


_OTHERS = {Kind.DEFINITIONS: _definitions, Kind.RUN: _run, Kind.ACT: _act, Kind.INVOICE: _invoice}
