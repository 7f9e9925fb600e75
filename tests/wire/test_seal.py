"""A seal covers every value and its place, and nothing of how the values were carried."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from decimal import Context
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meterbook.wire import instants, sections
from meterbook.wire.seal import GENESIS, ChainPlace, batch_hash, section_hash
from meterbook.wire.sections import ADDED, SCHEMAS
from tests.wire.tables import ROWS_MAX, named_tables, one_of_each, same

PLACE = ChainPlace("shop-agent", 1_769_851_800_000_000, 7, bytes(range(32)))
#: Wide enough for every quantity.
EXACT = Context(prec=60)

#: What these hashes were when the format was made. Books hold them: a new format needs a new schema version.
GOLDEN = {
    "series": "048d64e20eabef6658ce0dcd786795f6638fe417b47e033f05632b5a5e216f4f",
    "samples": "4200555e71f84c13fee3fabb71d74edbc5ba76f78efb2b891ec81a8c0c4fb2b5",
    "events": "592f8101c48831a851a01ff908b276c6554c2232b563655d640f645aeb7ff846",
    "coverage": "707dd69c4fb39d6ae805b4eee975ec2a75f3e93d7de685a0d596b09d2ad8ba5f",
    "dead_letters": "129ee8ac596204c43e542570937be41c806536465c00adb4ed589ff5df5c4284",
    "charges": "463ed8f01b37c0b871212d58a55115dc6156f205ca4010783ce297c63f5ea49e",
    "bills": "774fdeabf007bb0462e51bd1e3aae93d1e25275af21b9ff419356c9700229bf6",
}
GOLDEN_EMPTY = "d02ad07e521a80e5ff65b85e320742ee359c7bed70efe9f20d159495fe51e6ba"
GOLDEN_WHOLE = "aa4c662e6c554e10725f3f740d39bfffb1d5f5e459ab6eba4c95b06cdb928e10"
#: Of a batch without the sections that were added to the format: it is what it was before there were any.
GOLDEN_BATCH = "f80489775410a64ae19592feb66edac8a8414c37854b7897768ea03b00f15d57"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_format_of_a_section_has_not_changed(name: str) -> None:
    assert section_hash(name, one_of_each()[name]).hex() == GOLDEN[name]


def test_the_format_of_a_batch_has_not_changed() -> None:
    tables = one_of_each()
    assert batch_hash(PLACE, sections.sections(**tables)).hex() == GOLDEN_WHOLE
    older = {name: table for name, table in tables.items() if name not in ADDED}
    assert batch_hash(PLACE, sections.sections(**older)).hex() == GOLDEN_BATCH
    assert batch_hash(ChainPlace("a", 1, 1, GENESIS), sections.sections()).hex() == GOLDEN_EMPTY


def spelled_out(name: str, table: pa.Table) -> bytes:
    """The canonical form as the docstring of ``seal`` gives it, value by value."""
    form = b"meterbook section v1\0" + name.encode() + b"\0" + struct.pack("<Q", table.num_rows)
    for field in table.schema:
        values = table[field.name].to_pylist()
        content = b""
        if field.nullable:
            content += bytes(value is not None for value in values)
        if pa.types.is_string(field.type):
            texts = [value.encode() for value in values]
            content += b"".join(struct.pack("<i", len(text)) for text in texts) + b"".join(texts)
        elif pa.types.is_floating(field.type):
            content += b"".join(struct.pack("<d", value) for value in values)
        elif pa.types.is_decimal(field.type):
            content += b"".join(
                int(value.scaleb(field.type.scale, EXACT)).to_bytes(16, "little", signed=True) for value in values
            )
        elif pa.types.is_timestamp(field.type):
            content += b"".join(struct.pack("<q", instants.from_datetime(value) if value else 0) for value in values)
        else:
            content += b"".join(struct.pack("<q", value) for value in values)
        form += field.name.encode() + b"\0" + struct.pack("<Q", len(content)) + content
    return hashlib.sha256(form).digest()


@given(named_tables())
def test_the_documented_form_is_what_is_hashed(named: tuple[str, pa.Table]) -> None:
    name, table = named
    assert section_hash(name, table) == spelled_out(name, table)


def test_the_documented_form_of_a_batch_is_what_is_hashed() -> None:
    form = b"meterbook batch v1\0" + struct.pack("<H", 10) + b"shop-agent"
    form += struct.pack("<qqi", PLACE.epoch, PLACE.sequence, 1) + PLACE.previous_hash
    form += b"".join(spelled_out(name, table) for name, table in one_of_each().items())
    assert batch_hash(PLACE, sections.sections(**one_of_each())) == hashlib.sha256(form).digest()


def chunked(table: pa.Table, size: int) -> pa.Table:
    return pa.Table.from_batches(table.to_batches(max_chunksize=size), table.schema)


@given(named_tables(), st.integers(1, 3))
def test_chunking_does_not_matter(named: tuple[str, pa.Table], size: int) -> None:
    name, table = named
    assert section_hash(name, chunked(table, size)) == section_hash(name, table)


@given(named_tables(), st.integers(0, 6), st.integers(0, 6))
def test_slicing_does_not_matter(named: tuple[str, pa.Table], start: int, rows: int) -> None:
    name, table = named
    view = table.slice(start, rows)
    copy = pa.Table.from_pylist(view.to_pylist(), schema=table.schema)
    assert section_hash(name, view) == section_hash(name, copy)
    assert section_hash(name, pa.concat_tables([table.slice(0, start), table.slice(start)])) == section_hash(
        name, table
    )


@given(named_tables())
def test_compression_does_not_matter(named: tuple[str, pa.Table]) -> None:
    name, table = named
    assert section_hash(name, sections.decode(name, sections.encode(table), ROWS_MAX)) == section_hash(name, table)


def test_what_lies_under_a_null_does_not_matter() -> None:
    def under(hidden: int) -> bytes:
        table = one_of_each()["series"]
        buffers = [pa.array([True, False]).buffers()[1], pa.array([5, hidden]).buffers()[1]]
        column = pa.Array.from_buffers(pa.timestamp("us", tz="UTC"), 2, buffers, null_count=1)
        index = table.schema.get_field_index("start")
        return section_hash("series", table.set_column(index, table.schema.field(index), column))

    assert under(0) == under(123)


@given(named_tables(min_rows=1), st.data())
def test_any_changed_cell_changes_the_hash(named: tuple[str, pa.Table], data: st.DataObject) -> None:
    name, table = named
    other = data.draw(named_tables(min_rows=1).filter(lambda drawn: drawn[0] == name))[1]
    column = data.draw(st.sampled_from(table.column_names))
    row = data.draw(st.integers(0, table.num_rows - 1))
    rows = table.to_pylist()
    rows[row][column] = other.to_pylist()[0][column]
    changed = pa.Table.from_pylist(rows, schema=table.schema)
    assume(not same(changed, table))
    assert section_hash(name, changed) != section_hash(name, table)


@pytest.mark.parametrize("name", SCHEMAS)
def test_order_changes_the_hash(name: str) -> None:
    table = one_of_each()[name]
    assert section_hash(name, table.take([1, 0])) != section_hash(name, table)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_row_more_or_less_changes_the_hash(name: str) -> None:
    table = one_of_each()[name]
    hashes = {section_hash(name, table.take(rows)) for rows in ([0], [1], [0, 0], [0, 1], [0, 0, 1])}
    assert len(hashes) == 5


def test_text_cannot_slip_from_one_cell_to_the_next() -> None:
    def hashed(*reasons: str) -> bytes:
        empty = ["" for _ in reasons]
        return section_hash(
            "dead_letters", pa.table([empty, empty, list(reasons), empty], schema=SCHEMAS["dead_letters"])
        )

    assert len({hashed("ab", ""), hashed("a", "b"), hashed("", "ab"), hashed("ab")}) == 4


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_section_is_part_of_the_batch(name: str) -> None:
    tables = one_of_each()
    whole = batch_hash(PLACE, sections.sections(**tables))
    assert batch_hash(PLACE, sections.sections(**tables | {name: tables[name].slice(1)})) != whole


@pytest.mark.parametrize(
    "change",
    [{"agent": "shop-agent2"}, {"epoch": PLACE.epoch + 1}, {"sequence": 8}, {"previous_hash": GENESIS}],
    ids=lambda change: next(iter(change)),
)
def test_the_place_is_part_of_the_hash(change: dict[str, Any]) -> None:
    content = sections.sections(**one_of_each())
    assert batch_hash(dataclasses.replace(PLACE, **change), content) != batch_hash(PLACE, content)
