"""Rows of columns become events: in columns as one by one, whatever the types of the columns are."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.cloudevents import BadEvent, EventLog, parse_event
from collector.datastore.mapping import parquet as parquet_rows
from collector.datastore.mapping.config import MappingConfig, MissingFields
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.leaves import UnreadableColumn
from collector.datastore.mapping.parquet import RowReader, Rows, records_of
from collector.datastore.mapping.reader import numbered
from tests.collector.datastore.mapping.declared import config

UTC_US = pa.timestamp("us", "UTC")
NOON = dt.datetime(2026, 1, 31, 12, 0, 0, 250_000, dt.UTC)


def read(given_config: MappingConfig, batch: pa.RecordBatch, first: int = 0) -> Rows:
    reader = RowReader("s3/usage", EventMap(given_config), batch.schema, lambda numbers: numbered("here", numbers))
    return reader.read(batch, first)


def check_both_ways(given_config: MappingConfig, batch: pa.RecordBatch) -> None:
    event_map, log, bad, skipped = EventMap(given_config), EventLog("s3/usage", parse_event), [], 0
    reader = RowReader("s3/usage", event_map, batch.schema, lambda numbers: numbered("here", numbers))
    for row, record in enumerate(records_of(batch.select(reader.columns))):
        try:
            event = event_map.event(record, f"here#{row + 5}")
        except BadEvent as error:
            bad.append((f"here#{row + 5}", str(error)))
            continue
        skipped += event is None
        if event is not None:
            log.events.append(event)
    found = reader.read(batch, 5)
    found.events.validate(full=True)
    assert [(letter.place, letter.reason) for letter in found.letters] == bad
    assert found.skipped == skipped
    assert found.events.equals(log.table())


def columns(**more: Any) -> pa.RecordBatch:
    """Four rows of usual types, with these columns changed."""
    usual = {
        "at": pa.array([NOON] * 4, UTC_US),
        "from": pa.array(["/a", "/b", "/a", "/a"]).dictionary_encode(),
        "key": pa.array([1, 2, 3, 4], pa.int64()),
        "who": pa.array(["acme", None, "", 'o"dd'], pa.large_string()),
        "amount": pa.array([Decimal("1.50"), Decimal(2), Decimal(0), Decimal("-7")], pa.decimal128(10, 2)),
        "region": pa.array(["eu", None, "us\n", "\x01"]),
    }
    usual.update(more)
    return pa.RecordBatch.from_pydict({name: each for name, each in usual.items() if each is not None})


def test_rows_of_usual_types() -> None:
    check_both_ways(config(), columns())
    found = read(config(), columns())
    assert (found.letters, found.skipped) == ((), 0)
    assert found.events["id"].to_pylist() == ["1", "2", "3", "4"]
    assert found.events["subject"].to_pylist() == ["acme", "", "", 'o"dd']
    assert found.events["time"].to_pylist() == [NOON] * 4
    assert found.events["value"].to_pylist() == [Decimal("1.5"), 2, 0, -7]
    assert found.events["properties"].to_pylist() == [
        '{"region":"eu"}',
        "{}",
        '{"region":"us\\n"}',
        '{"region":"\\u0001"}',
    ]


def test_usual_types_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    odd: list[int] = []

    def counted(batch: pa.RecordBatch) -> list[dict[str, Any]]:
        odd.append(batch.num_rows)
        return records_of(batch)

    monkeypatch.setattr(parquet_rows, "records_of", counted)
    read(config(), columns(region=None))
    read(config(properties={}, id=None), columns(amount=pa.array([0.1, 2.0, -0.5, 1e3])))
    read(
        config(time={"field": "at", "zone": "Europe/Berlin"}),
        columns(at=pa.array([NOON.replace(tzinfo=None)] * 4), region=None),
    )
    assert sum(odd) == 0


def test_floats_are_the_decimals_that_were_meant() -> None:
    written = [0.1, 1e-9, 1e15, 1e-10, float("nan"), 1e29, None, -0.0]
    found = read(config(), _with_amounts(pa.array(written)))
    assert found.events["value"].to_pylist() == [Decimal("0.1"), Decimal("1e-9"), Decimal(10**15), Decimal(0)]
    assert [letter.reason for letter in found.letters] == [
        "value amount 1E-10 has more than 9 digits after the point",
        'value amount "nan" is not a number',
        "value amount 1E+29 has more than 29 digits before the point",
        "value amount is missing",
    ]
    assert [letter.place for letter in found.letters] == ["here#3", "here#4", "here#5", "here#6"]
    assert json.loads(found.letters[0].document)["amount"] == 1e-10
    singles = read(config(), _with_amounts(pa.array(written, pa.float32())))
    assert singles.events["value"].to_pylist()[0] == Decimal("0.1")
    check_both_ways(config(), _with_amounts(pa.array(written)))
    check_both_ways(config(), _with_amounts(pa.array(written, pa.float32())))


def _with_amounts(amounts: pa.Array) -> pa.RecordBatch:
    count = len(amounts)
    return pa.RecordBatch.from_pydict(
        {
            "at": pa.array([NOON] * count, UTC_US),
            "from": pa.array(["/a"] * count),
            "key": pa.array(range(count)),
            "who": pa.array(["acme"] * count),
            "amount": amounts,
        }
    )


@pytest.mark.parametrize(
    ("times", "form", "zone"),
    [
        (pa.array([NOON] * 4, pa.timestamp("ns", "Europe/Berlin")), "rfc3339", None),
        (pa.array([NOON] * 4, pa.timestamp("ms", "UTC")), "unix_s", None),
        (pa.array([NOON.replace(tzinfo=None, hour=13)] * 4, pa.timestamp("us")), "rfc3339", "Europe/Berlin"),
        (pa.array([1_769_860_800_250] * 4), "unix_ms", None),
        (pa.array([1_769_860_800.25] * 4), "unix_s", None),
        (pa.array([Decimal("1769860800.25")] * 4), "unix_s", None),
        (pa.array(["2026-01-31T12:00:00.25Z"] * 4, pa.string_view()), "rfc3339", None),
        (pa.array([b"2026-01-31T12:00:00.25Z"] * 4), "rfc3339", None),
    ],
)
def test_times_of_any_type(times: pa.Array, form: str, zone: str | None) -> None:
    given_config = config(time={"field": "at", "form": form, "zone": zone})
    check_both_ways(given_config, columns(at=times))
    assert read(given_config, columns(at=times)).events["time"].to_pylist() == [NOON] * 4


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (pa.array([NOON.replace(tzinfo=None)] * 4), "has no offset: declare its zone"),
        (pa.array([1 << 62] * 4).cast(pa.timestamp("s", "UTC")), "outside the years 1 to 9999"),
        (pa.array([None] * 4, UTC_US), "time at is missing"),
        (pa.array([True] * 4), "is not an RFC 3339 time"),
    ],
)
def test_columns_without_times_say_so(times: pa.Array, reason: str) -> None:
    check_both_ways(config(), columns(at=times))
    letters = read(config(), columns(at=times)).letters
    assert len(letters) == 4
    assert all(reason in letter.reason for letter in letters)


def test_days_are_midnights() -> None:
    days = columns(at=pa.array([dt.date(2026, 1, 31)] * 4))
    assert read(config(), days).events["time"][0].as_py() == dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
    local = config(time={"field": "at", "zone": "Europe/Berlin"})
    assert read(local, days).events["time"][0].as_py() == dt.datetime(2026, 1, 30, 23, tzinfo=dt.UTC)
    check_both_ways(local, days)


def test_fields_within_columns() -> None:
    usage = pa.array(
        [{"tokens": 5, "list": [{"id": "x"}]}, {"tokens": 6, "list": []}, None, {"tokens": None, "list": None}]
    )
    batch = columns(usage=usage, tags=pa.array([[("a", 1)], [], None, [("b", 2)]], pa.map_(pa.utf8(), pa.int64())))
    mapping = config(value="usage.tokens", properties={"id": "$.usage.list[0].id", "a": "tags.a", "whole": "usage"})
    check_both_ways(mapping, batch)
    found = read(mapping, batch)
    assert found.events["value"].to_pylist() == [5, 6]
    assert json.loads(found.events["properties"][0].as_py()) == {
        "id": "x",
        "a": "1",
        "whole": '{"list":[{"id":"x"}],"tokens":5}',
    }
    assert [letter.reason for letter in found.letters] == ["value usage.tokens is missing"] * 2
    check_both_ways(config(type="$.usage.list", subject="usage"), batch)
    check_both_ways(config(), batch)


@pytest.mark.parametrize(
    ("settings", "changed", "reason"),
    [
        (
            {},
            {"at": None, "amount": None},
            r"^at \(time\), amount \(value\) are missing: the columns are from, key, who, region$",
        ),
        ({"value": "usage.no"}, {}, r"^usage.no \(value\) is missing: the columns are"),
        (
            {"value": "usage.no"},
            {"usage": pa.array([{"tokens": 1, "bytes": 2}] * 4)},
            r"^usage.no \(value\) is missing: its column has the members tokens, bytes$",
        ),
    ],
)
def test_columns_that_are_missing_are_named(settings: dict[str, Any], changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(MissingFields, match=reason):
        read(config(**settings), columns(**changed))


def test_columns_that_say_nothing_are_named_where_they_are_read() -> None:
    batch = columns(took=pa.array([{"s": dt.timedelta(1)}] * 4))
    with pytest.raises(
        UnreadableColumn, match=r"^column took.s is of the type duration\[us\], which no field can be made from$"
    ):
        read(config(), batch)
    check_both_ways(config(properties={"region": "region"}), batch)
    with pytest.raises(UnreadableColumn, match="is a map whose keys are int64"):
        read(config(), columns(tags=pa.array([[(1, 1)]] * 4, pa.map_(pa.int64(), pa.int64()))))
    twice = pa.RecordBatch.from_arrays([*columns().columns, pa.array([1] * 4)], [*columns().schema.names, "key"])
    with pytest.raises(ValueError, match="column 'key' is named twice"):
        read(config(), twice)


def test_rows_are_left_out_on_purpose() -> None:
    mapping = config(skip=[{"field": "key", "equals": ["2", "9"]}, {"field": "region", "equals": ["us\n"]}])
    check_both_ways(mapping, columns())
    found = read(mapping, columns())
    assert (found.events["id"].to_pylist(), found.skipped) == (["1", "4"], 2)


def test_rows_without_an_id_are_called_by_their_number() -> None:
    found = read(config(id=None), columns(amount=pa.array([1, None, 3, 4])), first=100)
    assert found.events["id"].to_pylist() == ["here#100", "here#102", "here#103"]
    assert [letter.place for letter in found.letters] == ["here#101"]


SIMPLE = st.sampled_from(
    [
        pa.utf8(), pa.large_utf8(), pa.binary(), pa.binary(3), pa.bool_(), pa.int8(), pa.uint64(), pa.int64(), pa.float16(),
        pa.float32(), pa.float64(), pa.decimal128(12, 3), pa.decimal128(38, 0), pa.decimal256(60, 20), pa.date32(),
        pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.timestamp("us", "America/New_York"), pa.null(),
        pa.dictionary(pa.int8(), pa.utf8()),
    ]
)  # fmt: skip
TYPES = st.one_of(
    SIMPLE,
    SIMPLE.map(pa.list_),
    SIMPLE.map(lambda each: pa.struct([("a", each), ("b", pa.utf8())])),
    SIMPLE.map(lambda each: pa.map_(pa.utf8(), each)),
)


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    match kind:
        case pa.StructType():
            return st.fixed_dictionaries({"a": values_of(kind.field("a").type), "b": st.text(max_size=2)}) | st.none()
        case pa.MapType():
            return st.dictionaries(st.text(max_size=2), values_of(kind.item_type), max_size=2).map(
                lambda held: [*held.items()]
            )
        case pa.ListType():
            return st.lists(values_of(kind.value_type), max_size=2) | st.none()
    found: st.SearchStrategy[Any]
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = st.text(max_size=4) | st.sampled_from(["1", "0.5", "2026-01-31T12:00:00Z"])
    elif pa.types.is_fixed_size_binary(kind):
        found = st.binary(min_size=3, max_size=3)
    elif pa.types.is_binary(kind):
        found = st.binary(max_size=3) | st.just(b"text")
    elif pa.types.is_boolean(kind):
        found = st.booleans()
    elif pa.types.is_integer(kind):
        found = st.integers(0 if kind == pa.uint64() else -(1 << kind.bit_width - 1), (1 << kind.bit_width - 1) - 1)
        found |= st.integers(0, 9)
    elif pa.types.is_floating(kind):
        found = st.floats(width=kind.bit_width) | st.integers(0, 99).map(lambda number: number / 8)
    elif pa.types.is_decimal(kind):
        digits = 10 ** (kind.precision - kind.scale) - 1
        found = st.decimals(-digits, digits, places=min(kind.scale, 12)) | st.integers(0, 9).map(Decimal)
    elif pa.types.is_date(kind):
        found = st.dates()
    elif pa.types.is_timestamp(kind):
        found = st.integers(-(10**18), 10**18)
    else:
        found = st.none()
    return found | st.none()


@given(st.data())
def test_a_batch_says_what_its_rows_say(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 4))
    drawn = {}
    for name in ("at", "from", "key", "who", "amount", "region"):
        if data.draw(st.integers(0, 2)) < 2:
            continue
        kind = data.draw(TYPES)
        drawn[name] = _array(data.draw(st.lists(values_of(kind), min_size=count, max_size=count)), kind)
    batch = pa.RecordBatch.from_pydict(
        {**{name: each[:count] for name, each in _columns_of(columns()).items()}, **drawn}
    )
    mapping = data.draw(
        st.sampled_from(
            [
                {},
                {"id": None, "type": "region", "value": None},
                {"time": {"field": "at", "zone": "Europe/Berlin", "ambiguous": "earlier"}},
                {"time": {"field": "at", "form": "unix_ms"}, "subject": "amount"},
                {"properties": {"a": "region.a", "amount": "$.amount[0]", "at": "at"}},
                {"skip": [{"field": "amount", "equals": ["1.50", "0", "true"]}]},
            ]
        )
    )
    try:
        check_both_ways(config(**mapping), batch)
    except MissingFields:
        assert "properties" not in mapping


def _columns_of(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.int64()).cast(kind) if pa.types.is_timestamp(kind) else pa.array(values, kind)
