"""Bytes that are no batch are refused with a reason, whatever they are, and before they cost anything."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.intake.contents import IntakeLimits, checked_content
from ledger.intake.refusals import Refused
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.sections import SAMPLES, SCHEMAS, encode
from tests.ledger.batches import DAY, content, event, table
from tests.wire.tables import one_of_each, section_table

LIMITS = IntakeLimits()
MALFORMED, TOO_LARGE = intake_pb2.REFUSAL_CODE_MALFORMED, intake_pb2.REFUSAL_CODE_TOO_LARGE


def refusal(batch: intake_pb2.Batch, limits: IntakeLimits = LIMITS) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        checked_content(batch, limits)
    return caught.value.code, caught.value.message


def stream(data: pa.Table | pa.RecordBatch, compression: str | None = "zstd") -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write(data)
    return bytes(sink.getvalue())


def test_every_section_comes_through() -> None:
    tables = one_of_each()
    batch = intake_pb2.Batch(sequence=1, **{name: encode(each) for name, each in tables.items()})
    found = checked_content(batch, LIMITS)
    assert all(getattr(found, name).equals(each) for name, each in tables.items())
    assert checked_content(intake_pb2.Batch(sequence=1), LIMITS).rows == 0


def test_a_batch_that_is_too_large() -> None:
    batch = intake_pb2.Batch(sequence=7, events=encode(content(events=[event(1)]).events))
    size = batch.ByteSize()
    assert refusal(batch, IntakeLimits(batch_bytes_max=size - 1)) == (
        TOO_LARGE,
        f"batch 7 has {size} bytes, more than batch_bytes_max {size - 1}",
    )
    assert checked_content(batch, IntakeLimits(batch_bytes_max=size)).rows == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_section_with_too_many_rows(name: str) -> None:
    batch = intake_pb2.Batch(sequence=7, **{name: encode(one_of_each()[name])})
    assert refusal(batch, IntakeLimits(rows_max=1)) == (
        TOO_LARGE,
        f"batch 7: section {name}: more than 1 rows, beyond rows_max or the 128 MiB of a batch",
    )


@pytest.mark.parametrize(
    "rows",
    [
        [(2, DAY, 1.0), (1, DAY, 1.0)],
        [(1, DAY + 1, 1.0), (1, DAY, 1.0)],
        [(1, DAY, 1.0), (2, DAY, 1.0), (1, DAY + 1, 1.0)],
        [(2**63 - 1, DAY, 1.0), (-(2**63), DAY, 1.0)],
        [(1, 2**63 - 1, 1.0), (1, -(2**63), 1.0)],
    ],
)
def test_samples_out_of_order(rows: list[tuple[Any, ...]]) -> None:
    batch = intake_pb2.Batch(sequence=7, samples=encode(table("samples", rows)))
    assert refusal(batch) == (MALFORMED, "batch 7: section samples is not sorted by series_id and time")


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.floats(allow_nan=False)), max_size=6))
def test_samples_are_in_order_or_refused(rows: list[tuple[Any, ...]]) -> None:
    batch = intake_pb2.Batch(samples=encode(table("samples", rows)))
    keys = [row[:2] for row in rows]
    if keys == sorted(keys):
        assert checked_content(batch, LIMITS).samples.num_rows == len(rows)
    else:
        assert refusal(batch)[0] == MALFORMED


HOSTILE = {
    "nothing that Arrow knows": b"\0" * 64,
    "half a stream": encode(one_of_each()["samples"])[:-20],
    "another section's columns": encode(one_of_each()["coverage"]),
    "a dictionary": stream(one_of_each()["samples"].set_column(0, "series_id", pa.array([1, 2]).dictionary_encode())),
    "a list in every cell": stream(one_of_each()["samples"].set_column(2, "value", pa.array([[[1.0]], [[2.0]]]))),
    "a struct": stream(one_of_each()["samples"].set_column(2, "value", pa.array([{"a": 1}, {"a": 2}]))),
    "a run-end encoded column": stream(
        one_of_each()["samples"].set_column(
            2, "value", pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([1.0]))
        ),
        None,
    ),
    "an extension type": stream(one_of_each()["samples"].set_column(2, "value", pa.array([1, 0], pa.bool8()))),
    "views of texts": stream(one_of_each()["samples"].set_column(2, "value", pa.array(["a", "b"], pa.string_view()))),
    "a message of two gigabytes": b"\xff\xff\xff\xff" + struct.pack("<i", 2**31 - 1) + b"x" * 100,
    "a message of a negative size": b"\xff\xff\xff\xff" + struct.pack("<i", -5) + b"x" * 100,
    "a thousand columns": stream(pa.table({str(number): [1] for number in range(1_000)})),
    "deeply nested": stream(pa.table({"a": pa.array([None], pa.list_(pa.list_(pa.list_(pa.list_(pa.int8())))))})),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes(name: str) -> None:
    before = pa.total_allocated_bytes()
    code, message = refusal(intake_pb2.Batch(sequence=7, samples=HOSTILE[name]))
    assert code == MALFORMED
    assert message.startswith("batch 7: section samples: ")
    assert pa.total_allocated_bytes() <= before + (1 << 20)


def test_very_many_rows_of_nothing() -> None:
    """A few bytes can stand for very many rows."""
    rows = 2_000_000
    row = table("samples", [(1, DAY, 1.0)])
    columns = [pa.repeat(column[0], rows) for column in row.columns]
    repeated = pa.Table.from_arrays(columns, schema=SAMPLES)
    data = encode(repeated)
    assert len(data) < 1 << 20
    del repeated
    before = pa.total_allocated_bytes()
    code, message = refusal(intake_pb2.Batch(sequence=7, samples=data))
    assert (code, message) == (
        TOO_LARGE,
        "batch 7: section samples: more than 1000000 rows, beyond rows_max or the 128 MiB of a batch",
    )
    assert pa.total_allocated_bytes() <= before + (1 << 20)


@given(
    st.sampled_from(sorted(SCHEMAS)).flatmap(lambda name: st.tuples(st.just(name), section_table(name, 1))), st.data()
)
def test_damaged_bytes_are_refused_or_understood(named: tuple[str, pa.Table], data: st.DataObject) -> None:
    name, what = named
    damaged = bytearray(encode(what))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Refused):
        found = checked_content(intake_pb2.Batch(**{name: bytes(damaged)}), LIMITS)
        assert getattr(found, name).schema.equals(SCHEMAS[name])
        assert len(repr(getattr(found, name))) > 0
