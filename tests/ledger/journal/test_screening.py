"""What cannot be used becomes a dead letter that says why; the rest of the batch is kept."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import screening
from ledger.journal.derive import TABLES
from ledger.journal.screening import KnownSeries, screen
from meterbook.wire import instants, sections
from meterbook.wire.sections import DEAD_LETTERS, DOCUMENT_BYTES_MAX, SCHEMAS, STALE, TEXT_BYTES_MAX, Sections
from tests.ledger.batches import DAY, MINUTE, bill, charge, content, coverage, event, series, table
from tests.wire.tables import section_table

NOW = DAY + 100 * MINUTE
AHEAD = NOW + instants.HOUR_US + 1
NONE_KNOWN = KnownSeries.of(TABLES["series"].empty_table())
YEAR_ZERO = instants.parse("0001-01-01") - 1
NEVER = 2**63 - 1
DEEP = '{"a":' + "[" * 30_000 + "]" * 30_000 + "}"


def screened(what: Sections, known: KnownSeries = NONE_KNOWN) -> tuple[Sections, list[dict[str, Any]]]:
    kept, _ = screen(what, NOW, known)
    for name, found in kept.tables().items():
        assert found.schema.equals(SCHEMAS[name])
    return kept, kept.dead_letters.to_pylist()


GOOD_SERIES = [series(1), series(2, "gauge")]
BAD_SAMPLES = [
    ((1, DAY, float("nan")), "value nan cannot be metered"),
    ((1, DAY, float("inf")), "value inf cannot be metered"),
    ((2, DAY, float("-inf")), "value -inf cannot be metered"),
    ((1, DAY, -0.5), "value -0.5 cannot be metered"),
    ((1, DAY, float(2**62)), "value 4.611686018427388e+18 cannot be metered"),
    ((2, DAY, -float(2**62)), "value -4.611686018427388e+18 cannot be metered"),
    ((2, DAY, 1.7976931348623157e308), "value 1.7976931348623157e+308 cannot be metered"),
    ((3, DAY, 1.0), "series_id 3 was never defined"),
    ((1, AHEAD, 1.0), "time 2026-01-31T12:10:00.000001Z is over an hour ahead of the ledger's clock"),
    ((1, NEVER, 1.0), "time 9223372036854775807 microseconds after 1970 is over an hour ahead of the ledger's clock"),
    ((1, YEAR_ZERO, 1.0), "time -62135596800000001 microseconds after 1970 is before 1970"),
    ((1, -(2**63), 1.0), "time -9223372036854775808 microseconds after 1970 is before 1970"),
]


def test_a_sample_may_say_that_its_series_ends() -> None:
    ends = table("samples", [(1, DAY, STALE), (2, DAY, STALE)])
    kept, letters = screened(sections.sections(series=table("series", GOOD_SERIES), samples=ends))
    assert kept.samples["value"].to_numpy().tobytes() == ends["value"].to_numpy().tobytes()
    assert letters == []


GOOD_SAMPLES = [
    (1, 0, 0.0),
    (1, DAY, -0.0),
    (1, AHEAD - 1, float(np.nextafter(2.0**62, 0))),
    (2, DAY, -float(np.nextafter(2.0**62, 0))),
    (2, DAY, 5e-324),
]


@pytest.mark.parametrize(("row", "reason"), BAD_SAMPLES, ids=lambda case: str(case)[:40])
def test_a_bad_sample(row: tuple[Any, ...], reason: str) -> None:
    kept, dead = screened(content(series=GOOD_SERIES, samples=sorted([*GOOD_SAMPLES, row])))
    assert kept.samples.equals(table("samples", GOOD_SAMPLES))
    assert [(each["source"], each["place"], each["reason"]) for each in dead] == [(f"series {row[0]}", "", reason)]
    assert json.loads(dead[0]["document"])["value"] == str(row[2])


BAD_EVENTS = [
    ({"time": AHEAD}, "time 2026-01-31T12:10:00.000001Z is over an hour ahead of the ledger's clock"),
    ({"time": NEVER}, "time 9223372036854775807 microseconds after 1970 is over an hour ahead of the ledger's clock"),
    ({"time": YEAR_ZERO}, "time -62135596800000001 microseconds after 1970 is before 1970"),
    ({"value": Decimal(2**62)}, "value 4611686018427387904.000000000 cannot be metered"),
    ({"value": Decimal(-(2**62))}, "value -4611686018427387904.000000000 cannot be metered"),
    ({"properties": ""}, "properties '' is not a flat JSON object"),
    ({"properties": "[]"}, "properties '[]' is not a flat JSON object"),
    ({"properties": '{"a":"b"'}, 'properties \'{"a":"b"\' is not a flat JSON object'),
    ({"properties": '{"a":{}}'}, "properties '{\"a\":{}}' is not a flat JSON object"),
    ({"properties": DEEP}, 'properties \'{"a":' + "[" * 75 + "' is not a flat JSON object"),
    ({"properties": "1" * 5_000}, "properties '" + "1" * 80 + "' is not a flat JSON object"),
]
GOOD_EVENTS = [
    event(1),
    event(2, time=AHEAD - 1, value=Decimal(2**62) - Decimal("1E-9")),
    event(3, properties="{}"),
    event(4, properties='{"a":"b","ü":"\N{SNOWMAN}"}'),
    event(5, properties='{ "a" : "b\\n\\ud800" , "n": 1.5, "x": null }'),
]


@pytest.mark.parametrize(("change", "reason"), BAD_EVENTS, ids=lambda case: str(case)[:40])
def test_a_bad_event(change: dict[str, Any], reason: str) -> None:
    kept, dead = screened(content(events=[*GOOD_EVENTS[:2], event(99, **change), *GOOD_EVENTS[2:]]))
    assert kept.events.equals(table("events", GOOD_EVENTS))
    assert [(each["source"], each["place"], each["reason"]) for each in dead] == [("log", "99", reason)]


BAD_COVERAGE = [
    ({"status": "fine"}, "status 'fine' is not one of complete, partial, failed, throttled, lost"),
    ({"status": "x" * 99}, f"status '{'x' * 80}' is not one of complete, partial, failed, throttled, lost"),
    ({"start": DAY, "end": DAY - 1}, "end 2026-01-31T09:29:59.999999Z is before start 2026-01-31T09:30:00Z"),
    ({"end": AHEAD}, "end 2026-01-31T12:10:00.000001Z is over an hour ahead of the ledger's clock"),
    (
        {"start": NEVER, "end": NEVER},
        "start 9223372036854775807 microseconds after 1970 is over an hour ahead of the ledger's clock",
    ),
    ({"start": -(2**63)}, "start -9223372036854775808 microseconds after 1970 is before 1970"),
]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (charge(0, BilledCost=Decimal(10**14)), "BilledCost 100000000000000.000000000000000000 cannot be added up"),
        (charge(0, ListCost=Decimal(-(10**14))), "ListCost -100000000000000.000000000000000000 cannot be added up"),
        (charge(0, Tags="[]"), "Tags '[]' is not a flat JSON object"),
        (charge(0, others='{"a":{}}'), "others '{\"a\":{}}' is not a flat JSON object"),
        (charge(0, period=-1), "period 1969-12-31T23:59:59.999999Z is before 1970"),
        (
            charge(0, ChargePeriodEnd=NEVER),
            "ChargePeriodEnd 9223372036854775807 microseconds after 1970 is after the year 9999",
        ),
    ],
)
def test_a_charge_that_cannot_be_used(row: tuple[Any, ...], reason: str) -> None:
    good = [charge(1), charge(2, "-99999999999999.999999999999999999", ChargePeriodEnd=AHEAD)]
    kept, (letter,) = screened(content(charges=[row, *good]))
    assert kept.charges.equals(table("charges", good))
    assert (letter["source"], letter["reason"]) == ("bills/focus", reason)


def test_a_bill_is_of_a_known_nature() -> None:
    kept, (letter,) = screened(content(bills=[bill(1, "1", nature="guess"), bill(1, "1")]))
    assert kept.bills.equals(table("bills", [bill(1, "1")]))
    assert letter["reason"] == "nature 'guess' is not one of billed, reconciliation, estimate"


GOOD_COVERAGE = [coverage(number, status) for number, status in enumerate(sections.STATUSES)]


@pytest.mark.parametrize(("change", "reason"), BAD_COVERAGE, ids=lambda case: str(case)[:40])
def test_a_bad_coverage_record(change: dict[str, Any], reason: str) -> None:
    kept, dead = screened(content(coverage=[coverage(1, **change), *GOOD_COVERAGE]))
    assert kept.coverage.equals(table("coverage", GOOD_COVERAGE))
    assert [each["reason"] for each in dead] == [reason]
    assert dead[0]["source"] == "prometheus/shop"


BAD_SERIES = [
    ({"kind": "histogram"}, "kind 'histogram' is neither counter nor gauge"),
    ({"labels": "null"}, "labels 'null' is not a flat JSON object"),
    ({"attributes": '{"pod":["a"]}'}, 'attributes \'{"pod":["a"]}\' is not a flat JSON object'),
    ({"since": NEVER}, "since 9223372036854775807 microseconds after 1970 is after the year 9999"),
    ({"start": YEAR_ZERO}, "start -62135596800000001 microseconds after 1970 is before the year 1"),
]


@pytest.mark.parametrize(("change", "reason"), BAD_SERIES, ids=lambda case: str(case)[:40])
def test_a_bad_definition_defines_nothing(change: dict[str, Any], reason: str) -> None:
    what = content(series=[*GOOD_SERIES, series(9, **change)], samples=[*GOOD_SAMPLES, (9, DAY, 1.0)])
    kept, dead = screened(what)
    assert kept.series.equals(table("series", GOOD_SERIES))
    assert kept.samples.equals(table("samples", GOOD_SAMPLES))
    assert [each["reason"] for each in dead] == [reason, "series_id 9 was never defined"]


@pytest.mark.parametrize("change", [{"identity": 11}, {"kind": "gauge"}])
@pytest.mark.parametrize("before", [True, False])
def test_two_series_cannot_share_an_id(change: dict[str, Any], before: bool) -> None:
    known = NONE_KNOWN
    rows = [series(1), series(1, since=DAY + 1, tenant="globex"), series(1, **{"kind": "counter"} | change)]
    if before:
        _, known = screen(content(series=rows[:1]), NOW, known)
        rows = rows[1:]
    kept, dead = screened(content(series=rows, samples=[(1, DAY, 1.0), (1, DAY, -1.0)]), known)
    assert kept.series.equals(table("series", rows[:-1]))
    assert [each["reason"] for each in dead] == [
        "series_id 1 already stands for another series",
        "value -1.0 cannot be metered",
    ]


def test_a_series_that_is_known_need_not_be_defined_again() -> None:
    _, known = screen(content(series=[series(5), series(-5), series(2**63 - 1, identity=0)]), NOW, NONE_KNOWN)
    rows = [(-5, DAY, 1.0), (5, DAY, 2.0), (2**63 - 1, DAY, 3.0)]
    kept, dead = screened(content(samples=rows), known)
    assert kept.samples.num_rows == 3
    assert dead == []


def test_what_the_agent_could_not_use_is_kept_as_it_says() -> None:
    letters = table("dead_letters", [("log", "file:7", "no time", "garbage")])
    kept, _ = screened(sections.sections(dead_letters=letters, events=table("events", [event(1, time=AHEAD)])))
    assert kept.dead_letters.slice(0, 1).equals(letters)
    assert kept.dead_letters.num_rows == 2


def test_a_huge_document_is_shortened() -> None:
    _, dead = screened(content(events=[event(1, subject="x" * 1_000_000, properties="y" * 1_000_000)]))
    assert len(dead[0]["document"]) == 4_096
    assert len(dead[0]["reason"]) < 200


def test_a_batch_that_is_wrong_from_end_to_end_is_told_of_in_short() -> None:
    rows = screening.LETTERS_MAX + 500
    samples = pa.table(
        [pa.array([7] * rows), pa.array([DAY] * rows, SCHEMAS["samples"].field(1).type), pa.array([1.0] * rows)],
        schema=SCHEMAS["samples"],
    )
    kept, dead = screened(sections.sections(samples=samples, events=table("events", [event(1, properties="")])))
    assert kept.samples.num_rows == 0
    assert len(dead) == screening.LETTERS_MAX + 2
    assert dead[-2]["reason"] == ("500 more rows of this batch, refused like this one: series_id 7 was never defined")
    assert dead[-1]["reason"] == "properties '' is not a flat JSON object"


TEXT_MAX, DOCUMENT_MAX = TEXT_BYTES_MAX, DOCUMENT_BYTES_MAX


def document(size: int) -> str:
    """A flat JSON object of so many bytes."""
    return '{"a":"' + "ü" * ((size - 8) // 2) + "x" * (size % 2) + '"}'


DOCUMENTS = ("labels", "attributes", "properties", "document", "Tags", "others")


def texts() -> list[tuple[str, str, int]]:
    """Section, column and most bytes of every text."""
    return [
        (
            name,
            field.name,
            DOCUMENT_MAX if field.name in DOCUMENTS else TEXT_MAX,
        )
        for name, schema in SCHEMAS.items()
        for field in schema
        if pa.types.is_string(field.type) and field.name not in ("kind", "status", "nature")
    ]


@pytest.mark.parametrize(("section", "column", "bytes_max"), texts())
def test_a_text_that_is_too_long(section: str, column: str, bytes_max: int) -> None:
    good = {
        "series": series(1),
        "events": event(1),
        "coverage": coverage(1),
        "dead_letters": ("log", "access.log:7", "no time", "garbage"),
        "charges": charge(0),
        "bills": bill(1, "1"),
    }[section]
    place = SCHEMAS[section].get_field_index(column)
    rows = [good, *((*good[:place], document(size), *good[place + 1 :]) for size in (bytes_max, bytes_max + 1))]
    kept, dead = screened(content(**{section: rows}))
    letter = dead[-1]
    assert letter["reason"] == f"{column} has {bytes_max + 1} bytes, more than {bytes_max}"
    assert len(letter["document"]) <= 4_096
    assert letter["source"][:99] == str(rows[2][SCHEMAS[section].get_field_index("source")])[:99]
    if section == "dead_letters":
        assert kept.dead_letters.slice(0, 2).equals(table(section, rows[:2]))
        assert len(dead) == 3
        assert letter["place"][:99] == rows[2][1][:99]
    else:
        assert getattr(kept, section).equals(table(section, rows[:2]))
        assert len(dead) == 1


def test_every_text_that_is_too_long_is_told_with_its_own_length() -> None:
    rows = [event(number, subject="x" * (TEXT_MAX + number)) for number in range(3)]
    kept, dead = screened(content(events=rows))
    assert kept.events.num_rows == 1
    assert [(each["place"], each["reason"]) for each in dead] == [
        ("1", "subject has 4097 bytes, more than 4096"),
        ("2", "subject has 4098 bytes, more than 4096"),
    ]


ANY_SECTIONS = st.builds(Sections, **{name: section_table(name) for name in SCHEMAS})


@given(ANY_SECTIONS, st.integers(0, 2**60))
def test_whatever_the_wire_allows_can_be_screened(what: Sections, now: int) -> None:
    kept, known = screen(what, now, NONE_KNOWN)
    again, known_again = screen(what, now, NONE_KNOWN)
    assert kept.tables().keys() == again.tables().keys()
    for name, found in kept.tables().items():
        assert found.equals(getattr(again, name))
        if name != "dead_letters":
            assert found.num_rows <= getattr(what, name).num_rows
            assert len(str(found.to_pylist())) >= 0
    assert known.ids.tolist() == known_again.ids.tolist() == sorted(set(known.ids.tolist()))
    lost = sum(
        getattr(what, name).num_rows - getattr(kept, name).num_rows for name in SCHEMAS if name != "dead_letters"
    )
    assert kept.dead_letters.num_rows == what.dead_letters.num_rows + lost
    assert kept.dead_letters.schema.equals(DEAD_LETTERS)


IDS = st.integers(-3, 3)
DEFINITIONS = st.lists(
    st.tuples(IDS, st.integers(0, 1), st.sampled_from(["counter", "gauge"])).map(
        lambda row: series(row[0], row[2], identity=row[1])
    ),
    max_size=8,
)


@given(st.lists(DEFINITIONS, max_size=5))
def test_the_first_definition_of_an_id_stands_for_ever(batches: list[list[tuple[Any, ...]]]) -> None:
    known, model = NONE_KNOWN, {}
    for rows in batches:
        kept, known = screen(content(series=rows), NOW, known)
        expected = []
        for row in rows:
            meaning = (row[1], row[4])
            if model.setdefault(row[0], meaning) == meaning:
                expected.append(row)
        assert kept.series.equals(table("series", expected))
        assert known.ids.tolist() == sorted(model)
        assert [(i, "counter" if c else "gauge") for i, c in zip(known.identities, known.counters, strict=True)] == [
            model[series_id] for series_id in sorted(model)
        ]
