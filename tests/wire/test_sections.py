"""Sections come back as they were sent, and bytes that are no section give MalformedSection and nothing else."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.wire import sections
from meterbook.wire.sections import SCHEMAS, MalformedSection
from tests.wire.tables import ROWS_MAX, named_tables, one_of_each, same

PROTO = Path(__file__).parents[2] / "proto/meterbook/intake/v1/intake.proto"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def stream(*batches: pa.RecordBatch, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


@given(named_tables())
def test_what_is_encoded_is_decoded(named: tuple[str, pa.Table]) -> None:
    name, table = named
    assert same(sections.decode(name, sections.encode(table), ROWS_MAX), table)


@given(named_tables(min_rows=1), st.sampled_from([None, "zstd", "lz4"]))
def test_any_chunking_and_compression_is_understood(named: tuple[str, pa.Table], compression: str | None) -> None:
    name, table = named
    rows = [table.slice(row, 1).combine_chunks().to_batches()[0] for row in range(table.num_rows)]
    assert same(sections.decode(name, stream(*rows, compression=compression), ROWS_MAX), table)


def test_metadata_of_the_sender_is_dropped() -> None:
    table = one_of_each()["samples"].replace_schema_metadata({"made": "elsewhere"})
    assert sections.decode("samples", sections.encode(table), ROWS_MAX).schema.metadata is None


def test_an_empty_section_has_no_bytes() -> None:
    for name, schema in SCHEMAS.items():
        assert sections.encode(schema.empty_table()) == b""
        assert sections.decode(name, b"", 0).equals(schema.empty_table())


def test_sections_not_given_are_empty() -> None:
    samples = one_of_each()["samples"]
    content = sections.sections(samples=samples)
    assert content.rows == samples.num_rows
    assert list(content.tables()) == list(SCHEMAS)


@given(named_tables(min_rows=1), st.sampled_from(sorted(SCHEMAS)))
def test_another_sections_schema_is_refused(named: tuple[str, pa.Table], other: str) -> None:
    name, table = named
    if name != other:
        with pytest.raises(MalformedSection, match=f"section {other}: columns"):
            sections.decode(other, sections.encode(table), ROWS_MAX)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_column_renamed_retyped_missing_or_more_is_refused(name: str) -> None:
    table = one_of_each()[name]
    first = table.schema.field(0)
    wrong = [
        table.rename_columns(["other", *table.column_names[1:]]),
        table.set_column(0, first.name, pa.array([b"1", b"2"], pa.binary())),
        table.set_column(0, first.with_nullable(True), table.column(0)),
        table.remove_column(0),
        table.append_column("more", pa.array([1, 2])),
        table.select(table.column_names[::-1]),
    ]
    for changed in wrong:
        with pytest.raises(MalformedSection, match="are not"):
            sections.decode(name, sections.encode(changed), ROWS_MAX)


def test_a_dictionary_is_refused() -> None:
    table = one_of_each()["dead_letters"]
    changed = table.set_column(0, "source", table.column("source").dictionary_encode())
    with pytest.raises(MalformedSection, match="section dead_letters"):
        sections.decode("dead_letters", sections.encode(changed), ROWS_MAX)


def columns_that_may_not_be_null() -> list[tuple[str, str]]:
    return [(name, field.name) for name, schema in SCHEMAS.items() for field in schema if not field.nullable]


@pytest.mark.parametrize(("name", "column"), columns_that_may_not_be_null())
def test_a_null_is_refused(name: str, column: str) -> None:
    table, schema = one_of_each()[name], SCHEMAS[name]
    index = schema.get_field_index(column)
    holed = pa.array([table.column(index)[0].as_py(), None], schema.field(index).type)
    arrays = [*table.columns[:index], holed, *table.columns[index + 1 :]]
    data = stream(pa.RecordBatch.from_arrays([_whole(array) for array in arrays], schema=schema))
    with pytest.raises(MalformedSection, match=f"column {column} holds nulls"):
        sections.decode(name, data, ROWS_MAX)


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


@given(named_tables(min_rows=1), st.data())
def test_truncated_bytes_are_refused(named: tuple[str, pa.Table], data: st.DataObject) -> None:
    name, table = named
    encoded = sections.encode(table)
    length = data.draw(st.integers(1, len(encoded) - 1))
    with pytest.raises(MalformedSection):
        sections.decode(name, encoded[:length], ROWS_MAX)


def test_bytes_cut_between_two_batches_are_refused() -> None:
    table = one_of_each()["samples"]
    one, two = (stream(*table.to_batches(max_chunksize=size)) for size in (2, 1))
    for whole in (one, two):
        with pytest.raises(MalformedSection, match="does not end where the bytes do"):
            sections.decode("samples", whole[:-8], ROWS_MAX)


@given(st.sampled_from(sorted(SCHEMAS)), st.binary(min_size=1))
def test_random_bytes_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(MalformedSection, match=f"section {name}"):
        sections.decode(name, data, ROWS_MAX)


@given(named_tables(min_rows=1), st.sampled_from([None, "zstd"]), st.data())
def test_a_damaged_section_gives_a_table_or_malformed_section(
    named: tuple[str, pa.Table], compression: str | None, data: st.DataObject
) -> None:
    name, table = named
    damaged = bytearray(stream(*table.combine_chunks().to_batches(), compression=compression))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = sections.decode(name, bytes(damaged), ROWS_MAX)
    except MalformedSection:
        return
    assert decoded.schema.equals(SCHEMAS[name])
    assert decoded.num_rows <= ROWS_MAX


@pytest.mark.parametrize("tail", [b"\0", b"more", b"\xff" * 8])
def test_bytes_after_the_end_are_refused(tail: bytes) -> None:
    encoded = sections.encode(one_of_each()["events"])
    with pytest.raises(MalformedSection, match="does not end where the bytes do"):
        sections.decode("events", encoded + tail, ROWS_MAX)
    with pytest.raises(MalformedSection, match="does not end where the bytes do"):
        sections.decode("events", encoded + encoded, ROWS_MAX)


def test_more_rows_than_allowed_are_refused() -> None:
    table = one_of_each()["samples"]
    for data in (sections.encode(table), stream(*table.to_batches(max_chunksize=1))):
        assert sections.decode("samples", data, 2).num_rows == 2
        with pytest.raises(MalformedSection, match="more than 1 rows"):
            sections.decode("samples", data, 1)


def test_more_record_batches_than_anybody_needs_are_refused() -> None:
    """Each costs as much as many rows."""
    most = sections.RECORD_BATCHES_MAX
    one = one_of_each()["samples"].slice(0, 1).combine_chunks().to_batches()[0]
    assert sections.decode("samples", stream(*[one] * most), most).num_rows == most
    with pytest.raises(MalformedSection, match="section samples: more than 1000 record batches; send larger ones"):
        sections.decode("samples", stream(*[one] * (most + 1)), 2 * most)


@pytest.mark.parametrize("wrong", [{"c" * 100_000: [1]}, {f"column {number}": [1] for number in range(5_000)}])
def test_what_is_said_of_wrong_columns_is_short(wrong: dict[str, list[int]]) -> None:
    with pytest.raises(MalformedSection, match=rf"\.\.\. \({len(wrong)} columns\) are not") as caught:
        sections.decode("samples", sections.encode(pa.table(wrong)), ROWS_MAX)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_a_bomb_is_refused_before_it_is_decompressed(compression: str | None) -> None:
    bomb = pa.table([["x" * (8 << 20)], [""], [""], [""]], schema=SCHEMAS["dead_letters"])
    data = stream(*bomb.to_batches(), compression=compression)
    before = pa.total_allocated_bytes()
    peak = pa.default_memory_pool().max_memory() or 0
    with pytest.raises(MalformedSection, match="more than 1048576 bytes in memory"):
        sections.decode("dead_letters", data, ROWS_MAX, bytes_max=1 << 20)
    assert pa.total_allocated_bytes() <= before
    assert (pa.default_memory_pool().max_memory() or 0) <= max(peak, before + (1 << 20))
    assert sections.decode("dead_letters", data, ROWS_MAX, bytes_max=16 << 20).equals(bomb)


@pytest.mark.parametrize("claimed", [-2, -(2**63), 2**62, 1 << 40])
def test_a_buffer_that_lies_about_its_size_is_refused(claimed: int) -> None:
    table = pa.table([["x" * 1000], [""], [""], [""]], schema=SCHEMAS["dead_letters"])
    data = stream(*table.to_batches(), compression="zstd")
    honest, lie = (struct.pack("<q", size) + ZSTD_MAGIC for size in (1000, claimed))
    assert data.count(honest) == 1
    with pytest.raises(MalformedSection, match="section dead_letters"):
        sections.decode("dead_letters", data.replace(honest, lie), ROWS_MAX)


def columns_in_proto() -> dict[str, list[str]]:
    """The table in the comment of message Batch: section -> columns as "name type" with "?" for nullable ones."""
    comment = re.findall(r"^//( {3}.*)$", PROTO.read_text(), re.MULTILINE)
    found: dict[str, list[str]] = {}
    for line in comment:
        start, rest = line[3:17].strip(), line[17:] if line[3:17].strip() else line
        text = re.sub(r"\s+sorted by.*|\([^)0-9]*\)", "", rest).strip().rstrip(",")
        if start:
            found[start] = []
        found[list(found)[-1]] += [re.sub(r"\s+", " ", column).strip() for column in re.split(r",(?![^(]*\))", text)]
    return found


def test_the_proto_documents_the_schemas() -> None:
    short = {"timestamp[us, tz=UTC]": "timestamp", "string": "utf8", "double": "float64"}
    actual = {
        name: [
            f"{field.name} {short.get(str(field.type), str(field.type))}{'?' if field.nullable else ''}"
            for field in schema
        ]
        for name, schema in SCHEMAS.items()
    }
    assert columns_in_proto() == actual
