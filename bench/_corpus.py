"""Writes the seeds of the fuzzer: small inputs that each target takes, or refuses for a reason of its own.

A fuzzer that begins with whole batches need not first invent Arrow. Run it again after a change to a format; files named
``found-...`` are what once was not taken as it should be, and stay.

    python -m bench._corpus
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.fuzz import CORPUS
from ledger.journal import segment
from ledger.journal.record import NO_HEAD, Kind, follow
from ledger.journal.segment import Header
from meterbook.intake.v1 import intake_pb2
from meterbook.proof.bundle import path_text
from meterbook.proof.keys import Rotation, sign_rotation
from meterbook.proof.merkle import Frontier
from meterbook.wire import instants
from meterbook.wire.sections import SCHEMAS
from tests.fakes import metric_messages as messages
from tests.ledger.batches import Sender, content, coverage, draft, event, minute, sealed, series
from tests.ledger.journal.logs import SEED, file_of, groups_of
from tests.proof.ledgers import Ledger
from tests.proof.signing import ORIGIN, key
from tests.wire.tables import one_of_each

Files = Iterator[tuple[str, bytes]]


def ipc(table: pa.Table, compression: str | None = None, rows: int | None = None) -> bytes:
    """An Arrow IPC stream, as an agent in any language may write it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return bytes(sink.getvalue())


def sections() -> Files:
    """Each section in every coding, and what is not one."""
    for name, table in one_of_each().items():
        yield f"{name}-plain", ipc(table)
        yield f"{name}-zstd", ipc(table, "zstd")
        yield f"{name}-lz4-by-row", ipc(table, "lz4", rows=1)
        yield f"{name}-no-rows", ipc(table.slice(0, 0))
    letters = one_of_each()["dead_letters"]
    sources = letters["source"].dictionary_encode()
    bomb = pa.table([["x" * (64 << 20)], [""], [""], [""]], schema=SCHEMAS["dead_letters"])
    yield "dictionary", ipc(letters.set_column(0, "source", sources))
    yield (
        "nested-dictionary",
        ipc(pa.table({"source": pa.array([["a"]]).cast(pa.list_(pa.dictionary(pa.int8(), pa.utf8())))})),
    )
    yield "metadata", ipc(letters.replace_schema_metadata({f"key-{number}": "x" for number in range(50)}))
    yield "wide", ipc(pa.table({f"column {number}": [number] for number in range(100)}))
    yield "bomb", ipc(bomb, "zstd")
    lie, honest = (size.to_bytes(8, "little") + b"\x28\xb5\x2f\xfd" for size in (1_000, 64 << 20))
    yield "bomb-that-lies", ipc(bomb, "zstd").replace(honest, lie)


def batch() -> Files:
    """Messages of a stream."""
    sender = Sender()
    odd: list[dict[str, Any]] = [
        {"properties": "["},
        {"value": Decimal(2**62)},
        {"time": -1},
        {"subject": "a\0b\u202e"},
    ]
    contents = {
        "minute": minute(1),
        "series": content(series=[series(1), series(2, "gauge"), series(1, kind="gauge"), series(3, labels="{}x")]),
        "samples": content(series=[series(1)], samples=[(1, 0, -1.0), (1, 60, float("nan")), (7, 0, 1.0)]),
        "events": content(events=[event(number, **change) for number, change in enumerate(odd)]),
        "coverage": content(coverage=[coverage(1, "complete"), coverage(2, "none"), coverage(3, end=0)]),
        "dead-letters": content(dead_letters=[("log", "7", "no time", "x" * 5_000)]),
        "empty": content(),
    }
    yield "hello", intake_pb2.ClientMessage(hello=sender.hello()).SerializeToString()
    for name, what in contents.items():
        yield name, intake_pb2.ClientMessage(batch=sealed(sender.place(), what)).SerializeToString()
    changes = {
        "unsorted": {"samples": ipc(content(samples=[(2, 0, 1.0), (1, 0, 1.0)]).samples)},
        "garbage": {"events": b"x"},
    }
    for name, change in changes.items():
        yield name, intake_pb2.ClientMessage(batch=sealed(sender.place(), minute(1), **change)).SerializeToString()
    for number, (name, table) in enumerate(one_of_each().items()):
        message = intake_pb2.ClientMessage()
        setattr(message.batch, name, ipc(table, "lz4"))
        yield f"one-{name}", message.SerializeToString()
        yield f"bytes-{name}", bytes([number]) + ipc(table)
        cells = b"\t".join(_cell_bytes(field, table[field.name][0].as_py()) for field in table.schema)
        yield f"cells-{name}", bytes([number + len(SCHEMAS)]) + cells + b"\n" + cells


def _cell_bytes(field: pa.Field, value: Any) -> bytes:
    """What ``bench._targets.filled`` makes a cell of."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, datetime):
        value = instants.from_datetime(value)
    return struct.pack(
        "<d" if pa.types.is_floating(field.type) else "<q", value if isinstance(value, float) else int(value)
    )


def record() -> Files:
    """Events as programs without Arrow send them."""
    good: dict[str, Any] = {"source": "till", "id": "1", "type": "sale", "time": "2026-01-31T10:30:00+01:00"}
    changes: dict[str, dict[str, Any]] = {
        "plain": {},
        "whole": {"subject": "cart", "tenant": "acme", "value": "-12.5", "properties": {"b": "\u00fc", "a": '"'}},
        **{f"value-{number}": {"value": text} for number, text in enumerate(_VALUES)},
        **{f"time-{number}": {"time": text} for number, text in enumerate(_TIMES)},
        "control-characters": {"subject": "a\0\n\x7f", "properties": {"\0": "\ud7ff\U0010ffff"}},
    }
    for name, change in changes.items():
        events = [intake_pb2.Event(**good | change)]
        yield name, intake_pb2.RecordRequest(sender="till-7", events=events).SerializeToString()
    for number, (value, time) in enumerate(zip(_VALUES, _TIMES * 2, strict=True)):
        yield f"fields-{number}", f"={value}\n{time}\ns\ni\nt\n\n@shared\nk\n\u00fc".encode()
    events = [intake_pb2.Event(**good | {"id": str(number)}) for number in range(20)]
    yield "twenty", intake_pb2.RecordRequest(sender="till-7", events=events).SerializeToString()
    yield "nobody", intake_pb2.RecordRequest(sender="Till", events=events[:1]).SerializeToString()


_VALUES = ("0", "1E+3", "1e-9", "NaN", "-Infinity", "0E+999999", "9" * 40, " 1_0 ", "0.0000000001", "-0")
_TIMES = (
    "2026-01-31",
    "2026-01-31T09:30:00",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:60Z",
    "1969-12-31t23:59:59z",
)


def segments() -> Files:
    """Files of the log, as they are and with the byte before that has their checksums mended."""
    groups = groups_of([[b"one"], [b"two", b"three"], [b"x" * 300]])
    plain = file_of(groups)
    sender = Sender()
    batches = [draft(sender.next(minute(number))) for number in (1, 2)]
    later = Frontier().appended(sha256(bytes([number])).digest() for number in range(5))
    own = follow(Kind.DEFINITIONS, "definitions", NO_HEAD, b"a payload")
    files = {
        "header": file_of([]),
        "groups": plain,
        "cut-off": plain[:-40],
        "damaged": plain[:200] + b"!" + plain[201:],
        "batches": file_of([segment.group_of(batches, Frontier(), 1_000)]),
        "later": file_of(groups_of([[b"six"]], later), later),
        "definitions": file_of([segment.group_of([own], Frontier(), 5)]),
        "unfinished": segment.pack_header(Header(Frontier(), 0, SEED))[:20],
        "zeros-behind": plain + bytes(500),
    }
    for name, data in files.items():
        yield name, data
        yield f"{name}-mended", b"=" + data


def proof() -> Files:
    """What the ledger hands out for others to check."""
    ledger = Ledger()
    rotation = sign_rotation(Rotation(ORIGIN, key(2).verifier), key(1))
    texts = {
        "bundle": ledger.bundle(),
        "bundle-two-keys": ledger.bundle(keys=(key(1), key(2))),
        "checkpoint": ledger.checkpoint(),
        "checkpoint-text": ledger.checkpoint().partition("\n\n")[0] + "\n",
        "checkpoint-of-none": ledger.checkpoint(0),
        "foreign": ledger.checkpoint(keys=(key(3),)),
        "consistency": path_text(ledger.consistency(100)),
        "rotation": rotation,
        "rotation-text": rotation.partition("\n\n")[0] + "\n",
        "verifier-key": str(key(1).verifier),
        "signing-key": key(1).secret_text(),
        "not-utf8": "\udcff\n\n\u2014 a b\n",
    }
    for name, text in texts.items():
        yield name, text.encode("utf-8", "surrogateescape")
    yield "edge", Frontier().appended(ledger.leaves()).to_bytes()


def pages() -> Files:
    """Pages of metrics."""
    texts = {
        "text": '# HELP a b\n# TYPE a_total counter\na_total{x="1",y="z"} 5\na_total{x="2"} +Inf 1767225600123\n\nup 1\n',
        "openmetrics": '# TYPE a counter\n# UNIT a_bytes bytes\na_total{x="1"} 5 1767225600.5 # {trace_id="x"} 0.5\na_created{x="1"} 1\n# EOF\n',
        "quoted-names": '{"my.metric","my.label"="b"} 1\n# TYPE "my.metric" gauge\n',
        "escapes": r'a{x="\\ \" \n }{ #"} 1' + "\n",
        "blanks": 'a { x = "1" , } \t 5 \t 17 \r\n',
        "histogram": '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1.5\nh_count 2\n',
        "nan": "a NaN\nb nan(1)\nc -nan\n",
        "numbers": "a 1e400\nb 0x1p3\nc 1_000\nd .5\ne 5.\nf -0\n",
        "times": "a 1 0x10\nb 1 -5\nc 1 99999999999999999\n# EOF\n",
        "cut-off": "a 1\nb 2",
        "same": "a 1\na 1\na 2 5\n",
        "no-text": 'a{x="\udcff"} 1\n',
    }
    for name, text in texts.items():
        yield name, text.encode("utf-8", "surrogateescape")


def protobuf() -> Files:
    """Pages of messages."""
    gauge = messages.family("depth", messages.GAUGE, help="Depth.", unit="items")
    for queue in ("mail", "print"):
        messages.metric(gauge, {"queue": queue}, 1_767_225_600_123).gauge.value = 5
    jobs = messages.family("jobs_total", messages.COUNTER)
    counter = messages.metric(jobs, {"a.b": 'x"\n\\'}).counter
    counter.value, counter.created_timestamp.seconds = 3, 1_767_222_000
    counter.exemplar.label.add(name="trace_id", value="4bf92f35")
    wait, old = messages.family("wait", messages.SUMMARY), messages.family("old.reading", messages.UNTYPED)
    messages.metric(old).untyped.value = 1.5
    summary = messages.metric(wait).summary
    summary.sample_count, summary.sample_sum = 300, 1.5
    summary.quantile.add(quantile=0.5, value=0.1)
    lat = messages.family("lat", messages.HISTOGRAM)
    classic, native = messages.metric(lat, {"path": "/"}).histogram, messages.metric(lat, {"path": "/b"}).histogram
    classic.sample_count, classic.sample_sum = 127, 12.5
    classic.bucket.add(upper_bound=0.25, cumulative_count=120)
    native.sample_count, native.schema, native.zero_count = 3, 3, 1
    native.positive_span.add(offset=-2, length=2)
    native.positive_delta.extend((1, 0))
    ages = messages.family("age", messages.GAUGE_HISTOGRAM)
    messages.metric(ages).histogram.sample_count_float = 2.5
    families = {
        "gauge": gauge,
        "counter": jobs,
        "summary": wait,
        "untyped": old,
        "histogram": lat,
        "gaugehistogram": ages,
    }
    for name, family in families.items():
        yield name, messages.delimited([family])
    several = messages.delimited(families.values())
    yield "several", several
    yield "cut-off", several[:-3]
    yield "group", messages.delimited([messages.field(1, b"a") + messages.field(4, b"\x13\x14")])
    yield (
        "long-varint",
        messages.delimited([messages.field(4, messages.field(2, b"") + b"\x30" + b"\xff" * 9 + b"\x01")]),
    )
    yield "no-text", several.replace(b"mail", b"\xff\xfe..")
    yield (
        "many",
        messages.delimited([messages.field(1, b"a") + messages.field(3, 1) + messages.field(4, b"\x12\0") * 50]),
    )


def write(folder: Path, files: Files) -> None:
    """Write the files in place of those that were made before."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if not path.name.startswith("found-"):
            path.unlink()
    for name, data in files:
        (folder / name).write_bytes(data)


SEEDS = {
    "page": pages,
    "protobuf": protobuf,
    "sections": sections,
    "batch": batch,
    "record": record,
    "segment": segments,
    "proof": proof,
}

if __name__ == "__main__":
    for target, files in SEEDS.items():
        write(CORPUS / target, files())
