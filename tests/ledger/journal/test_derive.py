"""The rows of records are a pure function of the records and what was known before, however they are grouped."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import derive as module
from ledger.journal import screening
from ledger.journal.derive import TABLES, Rows, State, decode_batch, decoded, derive, initial_state
from ledger.journal.record import DEFINITIONS_CHAIN, NO_HASH, Draft, Kind, Record, invoices_chain
from ledger.journal.screening import KnownSeries
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.leaf import leaf_data as module_leaf
from meterbook.proof.merkle import Frontier
from meterbook.wire import instants, sections
from meterbook.wire.sections import DOCUMENT_BYTES_MAX, SCHEMAS, MalformedSection, Sections
from tests.ledger.batches import AGENT, DAY, EPOCH, MINUTE, content, event, minute, own, record, series
from tests.proof.trees import tree_hash
from tests.wire.tables import section_table

ANY_SECTIONS = st.builds(Sections, **{name: section_table(name) for name in SCHEMAS})
LATER = DAY + screening.FUTURE_US_MAX


def cells(rows: Rows) -> dict[str, list[str]]:
    """All that the rows say, in their order; a table without rows is as good as none."""
    return {name: [repr(row) for row in table.to_pylist()] for name, table in rows.items() if table.num_rows}


def together(parts: Sequence[Rows]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in parts:
        for name, lines in cells(part).items():
            found.setdefault(name, []).extend(lines)
    return found


def one(kind: Kind, data: bytes, position: int) -> Record:
    return Record(position, DAY, own(kind, data))


def test_a_batch() -> None:
    what = record(minute(1), position=7)
    rows, state = derive([what], initial_state())
    assert state.series.ids.tolist() == [1]
    assert {name: table.num_rows for name, table in rows.items() if table.num_rows} == {
        "series": 1,
        "samples": 1,
        "events": 1,
        "coverage": 1,
        "batches": 1,
        "records": 1,
    }
    for name, table in rows.items():
        assert table.schema.equals(TABLES[name])
        assert set(table["position"].to_pylist()) <= {7}
    (batch,) = rows["batches"].to_pylist()
    assert (batch["agent"], batch["epoch"], batch["sequence"]) == (AGENT, EPOCH, 7)
    assert (batch["samples"], batch["events"]) == (1, 1)
    (about,) = rows["records"].to_pylist()
    assert (about["kind"], about["chain"], about["sequence"]) == ("batch", f"agent/{AGENT}/{EPOCH}", 7)
    assert about["hash"] == batch["hash"] == what.draft.hash.hex()


def test_a_batch_counts_only_the_rows_that_are_kept() -> None:
    what = content(series=[series(1)], samples=[(1, DAY, -1.0), (1, DAY, 1.0)], events=[event(1, properties="")])
    (batch,) = derive([record(what)], initial_state())[0]["batches"].to_pylist()
    assert (batch["samples"], batch["events"]) == (1, 0)


def test_a_letter_that_is_too_long_is_told_of_in_its_own_batch() -> None:
    """It is replaced, so that their number does not change; batches without series are screened together."""
    long, short = (("log", "7", "no time", text) for text in ("x" * (DOCUMENT_BYTES_MAX + 1), "x"))
    contents = [content(dead_letters=[long]), content(dead_letters=[short])]
    records = [record(what, position) for position, what in enumerate(contents, 1)]
    letters = derive(records, initial_state())[0]["dead_letters"].sort_by("position").to_pylist()
    assert [(each["position"], each["reason"][:12]) for each in letters] == [(1, "document has"), (2, "no time")]


def test_definitions() -> None:
    versions = [
        journal_pb2.DefinitionVersion(kind="meter", name="m", version=2, effective_from_us=DAY, spec='{"a":1}'),
        journal_pb2.DefinitionVersion(kind="tenant", name="acme", version=1),
    ]
    data = journal_pb2.DefinitionsRecord(author="ada", versions=versions).SerializeToString()
    before = initial_state()
    rows, state = derive([one(Kind.DEFINITIONS, data, 3)], before)
    assert state.series is before.series
    assert [tuple(row.values()) for row in rows["definitions"].to_pylist()] == [
        ("meter", "m", 2, DAY, '{"a":1}', "ada", 3),
        ("tenant", "acme", 1, 0, "", "ada", 3),
    ]
    empty, _ = derive([one(Kind.DEFINITIONS, b"", 4)], initial_state())
    assert empty["definitions"].num_rows == 0
    (about,) = empty["records"].to_pylist()
    assert (about["kind"], about["chain"]) == ("definitions", DEFINITIONS_CHAIN)


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
    rows, _ = derive([one(Kind.RUN, run.SerializeToString(), 10)], initial_state())
    (booked,) = rows["entries"].to_pylist()
    assert booked["quantity"] == Decimal("99999999999999999999999999999.999999999")
    assert booked["estimated"] == Decimal("-0.000000001")
    assert (booked["observed_us"], booked["expected_us"], booked["position"]) == (5, 6, 10)
    assert rows["runs"]["at_position"].to_pylist() == [9]


def test_an_act() -> None:
    act = journal_pb2.ActRecord(kind="credential", name="shop", document="{}", author="ada")
    rows, _ = derive([one(Kind.ACT, act.SerializeToString(), 4)], initial_state())
    assert [tuple(row.values()) for row in rows["acts"].to_pylist()] == [("credential", "shop", "{}", "ada", 4)]


def test_an_invoice_has_the_number_that_its_chain_gives() -> None:
    stored = journal_pb2.InvoiceRecord(
        kind="credit-note",
        series="CN/2026",
        number=9,
        id="CN-000001",
        tenant="acme",
        subscription="acme-pro",
        start_us=DAY,
        end_us=DAY + MINUTE,
        at_position=3,
        currency="EUR",
        total="-12.30",
        author="ada",
        caller="k1",
        document='{"lines":[]}',
        corrects="INV-000007",
        finalized_us=DAY + 2 * MINUTE,
    )
    draft = own(Kind.INVOICE, stored.SerializeToString(), invoices_chain("CN/2026"))
    rows, _ = derive([Record(4, DAY, draft)], initial_state())
    assert rows.keys() == {"invoices", "records"}
    assert rows["invoices"].schema.equals(TABLES["invoices"])
    start, end, finalized = (instants.to_datetime(DAY + number * MINUTE).replace(tzinfo=None) for number in range(3))
    (row,) = rows["invoices"].to_pylist()
    assert tuple(row.values()) == (
        *("credit-note", "CN/2026", 1, "CN-000001", "acme", "acme-pro", start, end, 3, "EUR", "-12.30"),
        *("INV-000007", "ada", "k1", finalized, '{"lines":[]}', 4),
    )
    (about,) = rows["records"].to_pylist()
    assert (about["kind"], about["chain"], about["sequence"]) == ("invoice", "invoices/CN/2026", 1)


def test_nothing_follows_from_no_records() -> None:
    rows, state = derive([], initial_state())
    assert cells(rows) == {}
    assert (state.series.ids.tolist(), state.frontier) == ([], Frontier())


RECORDS = st.lists(
    st.one_of(
        ANY_SECTIONS,
        # Much alike, as batches are: these are screened together.
        st.integers(1, 5).map(minute),
        st.integers(1, 3).map(lambda number: content(samples=[(number, DAY, 1.0)], events=[event(number)])),
        # So near to what lies too far ahead that it depends on the time of the commit.
        st.integers(-9, 9).map(lambda number: content(events=[event(9, time=LATER + number * MINUTE)])),
        st.sampled_from([Kind.DEFINITIONS, Kind.RUN, Kind.ACT, Kind.INVOICE]),
    ),
    min_size=1,
    max_size=7,
)


def records_of(contents: Sequence[Sections | Kind], minutes: Sequence[int]) -> list[Record]:
    found = []
    for position, (what, each) in enumerate(zip(contents, minutes, strict=False), 1):
        if isinstance(what, Kind):
            data = journal_pb2.RunRecord(entries=[journal_pb2.Entry(quantity_nano="1", estimated_nano="0")])
            found.append(
                Record(position, DAY + each * MINUTE, own(what, data.SerializeToString() * (what is Kind.RUN)))
            )
        else:
            found.append(record(what, position, DAY + each * MINUTE))
    return found


@pytest.mark.slow
@given(RECORDS, st.lists(st.integers(-9, 9), min_size=7, max_size=7).map(sorted), st.sets(st.integers(1, 6)))
def test_it_does_not_matter_how_records_are_grouped(
    contents: list[Sections | Kind], minutes: list[int], cuts: set[int]
) -> None:
    records = records_of(contents, minutes)
    at_once, after = derive(records, initial_state())
    for places in ([0, *sorted(each for each in cuts if each < len(records)), len(records)], range(len(records) + 1)):
        parts: list[Rows] = []
        state = initial_state()
        for begin, end in pairwise(places):
            rows, state = derive(records[begin:end], state)
            parts.append(rows)
        assert together(parts) == cells(at_once)
        assert state.frontier == after.frontier
        assert [array.tolist() for array in vars(state.series).values()] == [
            array.tolist() for array in vars(after.series).values()
        ]
    assert after.frontier.root() == tree_hash([leaf_of(each) for each in records])


def leaf_of(each: Record) -> bytes:
    draft = each.draft
    return module_leaf(draft.kind, each.time_us, draft.chain, draft.sequence, draft.hash)


@pytest.mark.slow
@given(st.lists(ANY_SECTIONS, min_size=1, max_size=4))
def test_the_same_records_give_the_same_rows(contents: list[Sections]) -> None:
    once, twice = initial_state(), initial_state()
    for position, what in enumerate(contents, 1):
        each = record(what, position)
        first, once = derive([each], once)
        # As after a restart: what is known comes from the tables.
        copied = KnownSeries(*(array.copy() for array in vars(twice.series).values()))
        again, twice = derive([each], State(copied, twice.frontier), {position: decoded(each)})
        assert cells(first) == cells(again)
        for name, table in first.items():
            assert table.schema.equals(TABLES[name])
            assert set(table["position"].to_pylist()) <= set(range(position + 1))


def test_hashes_of_the_tree_that_proofs_begin_from_are_kept_where_they_are_complete() -> None:
    draft = Draft(Kind.ACT, "acts", 1, NO_HASH, NO_HASH, b"")
    records = [Record(position, DAY, draft) for position in range(1, 600)]
    rows, _ = derive(records, initial_state())
    leaves = [leaf_of(each) for each in records]
    assert [tuple(row.values()) for row in rows["tiles"].to_pylist()] == [
        (8, 0, tree_hash(leaves[:256]).hex(), 256),
        (8, 1, tree_hash(leaves[256:512]).hex(), 512),
    ]


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
