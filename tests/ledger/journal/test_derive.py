"""The rows of a record are a pure function of the record and what was known before it."""

from __future__ import annotations

import io
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import derive as module
from ledger.journal.derive import TABLES, decode_batch, derive
from ledger.journal.frames import Kind, Record
from ledger.journal.screening import KnownSeries
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire import sections
from meterbook.wire.sections import SCHEMAS, MalformedSection, Sections
from tests.ledger.batches import AGENT, DAY, EPOCH, MINUTE, content, event, minute, record, series
from tests.wire.tables import section_table

NONE_KNOWN = KnownSeries.of(TABLES["series"].empty_table())
ANY_SECTIONS = st.builds(Sections, **{name: section_table(name) for name in SCHEMAS})


def test_a_batch() -> None:
    what = record(minute(1), position=7)
    rows, known = derive(what, NONE_KNOWN)
    assert known.ids.tolist() == [1]
    assert {name: table.num_rows for name, table in rows.items()} == {
        "series": 1,
        "samples": 1,
        "events": 1,
        "coverage": 1,
        "dead_letters": 0,
        "batches": 1,
        "records": 1,
    }
    for name, table in rows.items():
        assert table.schema.equals(TABLES[name])
        assert set(table["position"].to_pylist()) <= {7}
    (batch,) = rows["batches"].to_pylist()
    assert (batch["agent"], batch["epoch"], batch["sequence"]) == (AGENT, EPOCH, 7)
    assert (batch["samples"], batch["events"]) == (1, 1)
    assert rows["records"]["head"].to_pylist() == [bytes(32).hex()]
    assert rows["records"]["kind"].to_pylist() == ["batch"]


def test_a_batch_counts_only_the_rows_that_are_kept() -> None:
    what = content(series=[series(1)], samples=[(1, DAY, -1.0), (1, DAY, 1.0)], events=[event(1, properties="")])
    (batch,) = derive(record(what), NONE_KNOWN)[0]["batches"].to_pylist()
    assert (batch["samples"], batch["events"]) == (1, 0)


def test_definitions() -> None:
    versions = [
        journal_pb2.DefinitionVersion(kind="meter", name="m", version=2, effective_from_us=DAY, spec='{"a":1}'),
        journal_pb2.DefinitionVersion(kind="tenant", name="acme", version=1),
    ]
    data = journal_pb2.DefinitionsRecord(author="ada", versions=versions).SerializeToString()
    rows, known = derive(Record(Kind.DEFINITIONS, 3, DAY, 0, bytes(32), data), NONE_KNOWN)
    assert known is NONE_KNOWN
    assert [tuple(row.values()) for row in rows["definitions"].to_pylist()] == [
        ("meter", "m", 2, DAY, '{"a":1}', "ada", 3),
        ("tenant", "acme", 1, 0, "", "ada", 3),
    ]
    empty, _ = derive(Record(Kind.DEFINITIONS, 4, DAY, 0, bytes(32), b""), NONE_KNOWN)
    assert empty["definitions"].num_rows == 0
    assert empty["records"].num_rows == 1


def test_a_run() -> None:
    entry = journal_pb2.Entry(
        tenant="acme",
        dimensions="{}",
        hour_us=DAY,
        quantity_nano=str(10**38 - 1),
        estimated_nano="-1",
        observed_us=5,
        expected_us=6,
    )
    run = journal_pb2.RunRecord(meter="m", version=1, start_us=DAY, end_us=DAY + MINUTE, at_position=9, entries=[entry])
    rows, _ = derive(Record(Kind.RUN, 10, DAY, 0, bytes(32), run.SerializeToString()), NONE_KNOWN)
    (booked,) = rows["entries"].to_pylist()
    assert booked["quantity"] == Decimal("99999999999999999999999999999.999999999")
    assert booked["estimated"] == Decimal("-0.000000001")
    assert (booked["observed_us"], booked["expected_us"], booked["position"]) == (5, 6, 10)
    assert rows["runs"]["at_position"].to_pylist() == [9]


@given(st.lists(ANY_SECTIONS, min_size=1, max_size=4))
def test_the_same_records_give_the_same_rows(contents: list[Sections]) -> None:
    known_once, known_twice = NONE_KNOWN, NONE_KNOWN
    for position, what in enumerate(contents, 1):
        one = record(what, position)
        once, known_once = derive(one, known_once)
        # As after a restart: what is known comes from the tables, not from the batch before.
        restarted = KnownSeries(*(array.copy() for array in vars(known_twice).values()))
        twice, known_twice = derive(one, restarted)
        assert once.keys() == twice.keys()
        for name, table in once.items():
            assert table.schema.equals(TABLES[name])
            assert repr(table.to_pylist()) == repr(twice[name].to_pylist())
            assert set(table["position"].to_pylist()) <= {position}


def bomb(section: str, megabytes: int) -> bytes:
    schema = SCHEMAS[section]
    columns = [["x" * (megabytes << 20)] if pa.types.is_string(field.type) else [None] for field in schema]
    assert all(column != [None] for column in columns)
    sink = io.BytesIO()
    batch = pa.record_batch([pa.array(column, pa.utf8()) for column in columns], schema=schema)
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def test_the_sections_of_a_batch_share_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five small bombs are as bad as a large one."""
    monkeypatch.setattr(module.sections, "DECODED_BYTES_MAX", 10 << 20)
    letters = bomb("dead_letters", 2)
    assert len(letters) < 10_000
    decode_batch(intake_pb2.Batch(dead_letters=letters))
    events = sections.encode(content(events=[event(1, subject="x" * (3 << 20))]).events)
    decode_batch(intake_pb2.Batch(events=events))
    with pytest.raises(MalformedSection, match=r"section dead_letters: more than .* bytes in memory"):
        decode_batch(intake_pb2.Batch(events=events, dead_letters=letters))
