"""The sections of a batch: their Arrow schemas, and how they become bytes and tables again.

``intake.proto`` documents the same columns for people; a test holds the two together. Decoding trusts nothing:
a schema that differs, a null where none may be, a dictionary, a second stream in the bytes or an end that is
missing is an error that names the section, and the memory that decoding may take is bounded by the caller:
compressed buffers state their size, and are not touched before the sum of those is known.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterbook.wire.sizes import RECORD_BATCH, SCHEMA, declared

SCHEMA_VERSION = 1

_TIME = pa.timestamp("us", tz="UTC")
#: Values from here on, in magnitude, cannot be metered exactly.
VALUE_LIMIT = 1 << 62
#: The value of a sample that says "this series ends here", to be told apart by its bits from every other NaN: nothing is
#: held, and nothing counted, from then on. It is that of Prometheus ("Remote-Write 1.0", section "Stale Markers").
STALE_BITS = 0x7FF0000000000002
STALE: float = struct.unpack("<d", STALE_BITS.to_bytes(8, "little"))[0]
#: Largest decimal that the book holds: 29 digits before the point, 9 after.
QUANTITY = pa.decimal128(38, 9)
#: Money as providers tell it: parts of a cent come with up to 17 digits after the point.
AMOUNT = pa.decimal128(38, 18)


def _schema(**columns: pa.DataType) -> pa.Schema:
    """A schema in which a column whose name ends in "_" may be null (the underscore is dropped)."""
    return pa.schema([pa.field(name.rstrip("_"), kind, nullable=name.endswith("_")) for name, kind in columns.items()])


SERIES = _schema(
    series_id=pa.int64(),
    identity=pa.int64(),
    source=pa.utf8(),
    metric=pa.utf8(),
    kind=pa.utf8(),
    unit=pa.utf8(),
    labels=pa.utf8(),
    attributes=pa.utf8(),
    start_=_TIME,
    tenant=pa.utf8(),
    since=_TIME,
)
SAMPLES = _schema(series_id=pa.int64(), time=_TIME, value=pa.float64())
_SAMPLE_BYTES = sum(kind.bit_width // 8 for kind in SAMPLES.types)
EVENTS = _schema(
    origin=pa.utf8(),
    source=pa.utf8(),
    id=pa.utf8(),
    type=pa.utf8(),
    subject=pa.utf8(),
    tenant=pa.utf8(),
    time=_TIME,
    value=QUANTITY,
    properties=pa.utf8(),
)
COVERAGE = _schema(source=pa.utf8(), start=_TIME, end=_TIME, status=pa.utf8(), reason=pa.utf8())
DEAD_LETTERS = _schema(source=pa.utf8(), place=pa.utf8(), reason=pa.utf8(), document=pa.utf8())
#: The columns of FOCUS that every charge has, or that nearly every question asks for; the others stand in one document.
CHARGES = _schema(
    source=pa.utf8(),
    period=_TIME,
    version=pa.utf8(),
    line=pa.int64(),
    BilledCost=AMOUNT,
    EffectiveCost=AMOUNT,
    ListCost=AMOUNT,
    ContractedCost=AMOUNT,
    BillingCurrency=pa.utf8(),
    ChargeCategory=pa.utf8(),
    BillingAccountId=pa.utf8(),
    SubAccountId=pa.utf8(),
    ServiceName=pa.utf8(),
    ResourceId=pa.utf8(),
    ChargePeriodStart=_TIME,
    ChargePeriodEnd=_TIME,
    Tags=pa.utf8(),
    others=pa.utf8(),
)
BILLS = _schema(
    source=pa.utf8(),
    period=_TIME,
    version=pa.utf8(),
    nature=pa.utf8(),
    issued=_TIME,
    charges=pa.int64(),
    billed=AMOUNT,
)

SCHEMAS = {
    "series": SERIES,
    "samples": SAMPLES,
    "events": EVENTS,
    "coverage": COVERAGE,
    "dead_letters": DEAD_LETTERS,
    "charges": CHARGES,
    "bills": BILLS,
}
#: Sections that were added to the format: in the seal of a batch they stand where they have rows, and so change no other seal.
ADDED = frozenset({"charges", "bills"})

#: Every section without rows, made once: a batch is mostly sections that it does not use.
EMPTY = {name: schema.empty_table() for name, schema in SCHEMAS.items()}

#: What a coverage record may say of its interval.
STATUSES = ("complete", "partial", "failed", "throttled", "lost")
#: What a bill may be: what is owed, the same added up by somebody else, or what will probably be owed.
NATURES = ("billed", "reconciliation", "estimate")
#: The four costs of a charge (FOCUS 1.2, "Metrics"), and the magnitude from which on they could not be added up.
COSTS, COST_LIMIT = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), 10**14
#: Bytes of a text: of documents, and of all others. The book has to show, group by and look into each of them. Never change
#: these for a store that is in use: its tables follow from the log under the rules of now.
DOCUMENT_BYTES_MAX, TEXT_BYTES_MAX = 64 << 10, 4 << 10

#: Bytes that one section may have in memory, unless the caller says otherwise.
DECODED_BYTES_MAX = 128 << 20
#: Record batches of one section. Each costs about as much time as a thousand rows, however few it has.
RECORD_BATCHES_MAX = 1_000

#: What an error shows of somebody else's columns, or of what Arrow says about them.
_SHOWN_CHARS_MAX, _SHOWN_COLUMNS_MAX = 400, 20

_WRITE = pa.ipc.IpcWriteOptions(compression="zstd")
# Batches come many at a time, each in a thread already.
_READ = pa.ipc.IpcReadOptions(use_threads=False)


class MalformedSection(ValueError):
    """Bytes that are not the section they claim to be; sending them again cannot help."""


class SectionTooLarge(MalformedSection):
    """More rows, or more bytes in memory, than the caller takes."""


@dataclass(frozen=True)
class Sections:
    """The content of one batch, as Arrow tables in the schemas of this module."""

    series: pa.Table
    samples: pa.Table
    events: pa.Table
    coverage: pa.Table
    dead_letters: pa.Table
    charges: pa.Table
    bills: pa.Table

    @property
    def rows(self) -> int:
        """Rows in all sections together."""
        return sum(table.num_rows for table in self.tables().values())

    @property
    def nbytes(self) -> int:
        """Bytes of all sections in memory."""
        return sum(size(table) for table in self.tables().values() if table.num_rows)

    def tables(self) -> dict[str, pa.Table]:
        """The sections by name, in the order of the wire."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def sections(**tables: pa.Table) -> Sections:
    """Sections from the tables given; the others are empty."""
    return Sections(**{name: tables.get(name, empty) for name, empty in EMPTY.items()})


def is_stale(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which values say that their series ends."""
    are: npt.NDArray[np.bool_] = np.ascontiguousarray(values).view(np.int64) == STALE_BITS
    return are


def size(table: pa.Table) -> int:
    """Bytes of a section in memory."""
    # Samples are nearly everything, and asking Arrow takes as long as checking them.
    return table.num_rows * _SAMPLE_BYTES if table.schema.equals(SAMPLES) else int(table.nbytes)


def encode(table: pa.Table) -> bytes:
    """An Arrow IPC stream with zstd buffers; no bytes at all for an empty table."""
    if table.num_rows == 0:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_WRITE) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def decode(name: str, data: bytes, rows_max: int, bytes_max: int = DECODED_BYTES_MAX) -> pa.Table:
    """The table behind the bytes of the section ``name``. Raises MalformedSection."""
    schema = SCHEMAS[name]
    if not data:
        return EMPTY[name]
    try:
        _check_frames(name, data, rows_max, bytes_max)
        with pa.ipc.open_stream(pa.py_buffer(data), options=_READ) as reader:
            if not reader.schema.equals(schema):
                raise MalformedSection(f"section {name}: columns {_columns(reader.schema)} are not {_columns(schema)}")
            table = reader.read_all()
        if not table.schema.equals(schema, check_metadata=True):
            table = pa.Table.from_arrays(table.columns, schema=schema)
        table.validate(full=True)
    except MalformedSection:
        raise
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        cause = str(error).partition("\n")[0][:_SHOWN_CHARS_MAX]
        raise MalformedSection(f"section {name}: not an Arrow IPC stream ({cause})") from error
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise MalformedSection(f"section {name}: column {field.name} holds nulls")
    # Each call into Arrow lets other threads go first.
    return table if table.column(0).num_chunks == 1 else table.combine_chunks()


def _check_frames(name: str, data: bytes, rows_max: int, bytes_max: int) -> None:
    """Look at the messages of a stream without decompressing anything."""
    rows = decoded_bytes = record_batches = 0
    expected = SCHEMA
    for message in declared(data):
        if message.kind != expected:
            raise MalformedSection(f"section {name}: a {message.kind} message where a {expected} belongs")
        record_batches += message.kind == RECORD_BATCH
        rows, decoded_bytes = rows + message.rows, decoded_bytes + message.bytes
        if record_batches > RECORD_BATCHES_MAX:
            raise MalformedSection(f"section {name}: more than {RECORD_BATCHES_MAX} record batches; send larger ones")
        if rows > rows_max:
            raise SectionTooLarge(f"section {name}: more than {rows_max} rows")
        if decoded_bytes > bytes_max:
            raise SectionTooLarge(f"section {name}: more than {bytes_max} bytes in memory")
        expected = RECORD_BATCH


def _columns(schema: pa.Schema) -> str:
    shown = [schema.field(place) for place in range(min(len(schema), _SHOWN_COLUMNS_MAX))]
    text = ", ".join(f"{field.name} {field.type}{'?' if field.nullable else ''}" for field in shown)
    is_whole = len(shown) == len(schema) and len(text) <= _SHOWN_CHARS_MAX
    return text if is_whole else f"{text[:_SHOWN_CHARS_MAX]}... ({len(schema)} columns)"
