"""Lines of JSON as events: in columns as one by one, whatever the mapping and whatever stands on the lines."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collector.datastore.mapping.declared import certain, check_both_ways, config

TEXTS = st.text(max_size=4)
NUMBERS = st.one_of(
    st.integers(-(10**31), 10**31),
    st.floats(),
    st.decimals(allow_nan=False, allow_infinity=False, places=10).map(str),
    st.sampled_from(["1e3", "-0", "0.10", "007", "", None, True, 1.5, 7, "12"]),
)
MOMENTS = st.datetimes(datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01"))
SECONDS = st.integers(0, 4 * 10**9)
#: How a time is declared, and times that are mostly so.
DECLARED: list[tuple[dict[str, Any], st.SearchStrategy[Any]]] = [
    ({"field": "at"}, MOMENTS.map(lambda moment: f"{moment.isoformat()}Z")),
    ({"field": "at"}, st.builds("{}{}".format, MOMENTS, st.sampled_from(["Z", "+00:00", "-03:30", "+23:59"]))),
    ({"field": "at", "zone": "Europe/Berlin"}, MOMENTS.map(lambda moment: moment.isoformat(" "))),
    ({"field": "at", "zone": "America/Sao_Paulo", "ambiguous": "later"}, MOMENTS.map(str)),
    ({"field": "$.usage.at"}, st.none()),
    ({"field": "at", "form": "unix_s"}, SECONDS),
    ({"field": "at", "form": "unix_s"}, st.builds("{}.{}".format, SECONDS, st.integers(0, 10**11)).map(float)),
    ({"field": "at", "form": "unix_ms"}, SECONDS.map(lambda seconds: seconds * 1_007)),
    ({"field": "at", "form": "unix_us"}, SECONDS.map(lambda seconds: str(seconds * 1_000_007))),
    ({"field": "at", "form": "unix_ns"}, SECONDS.map(lambda seconds: seconds * 1_000_000_007)),
    ({"field": "at", "form": "%d/%b/%Y:%H:%M:%S %z"}, MOMENTS.map(lambda moment: f"{moment:%d/%b/%Y:%H:%M:%S} +0130")),
    (
        {"field": "at", "form": "%Y%m%d %H.%M.%S.%f", "zone": "Asia/Kathmandu"},
        MOMENTS.map(lambda moment: f"{moment:%Y%m%d %H.%M.%S.%f}"),
    ),
]
TIMES = st.one_of(
    *(times for _, times in DECLARED),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,7})?(Z|[+-]0[0-9]:00)?",
        fullmatch=True,
    ),
    st.integers(-(10**20), 10**20),
    st.decimals(0, 10**19, places=2).map(str),
    TEXTS,
)
MEMBERS = st.one_of(TEXTS, NUMBERS, st.lists(st.integers(), max_size=2), st.dictionaries(TEXTS, TEXTS, max_size=2))


def mostly(usual: st.SearchStrategy[Any], others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 7).flatmap(lambda die: others if die == 7 else usual)


def records(times: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Records that are mostly as they should be."""
    return st.fixed_dictionaries(
        {
            "at": mostly(times, TIMES),
            "from": mostly(st.just("/gateway"), MEMBERS),
            "key": mostly(st.integers(0, 9).map("a{}".format), MEMBERS),
            "amount": mostly(st.integers(0, 99).map(lambda number: number / 8), NUMBERS),
        },
        optional={
            "who": MEMBERS,
            "region": MEMBERS,
            "usage": st.fixed_dictionaries(
                {}, optional={"tokens": MEMBERS, "at": TIMES, "list": st.lists(MEMBERS, max_size=2)}
            ),
            "usage.tokens": MEMBERS,
            'o"dd\n': TEXTS,
        },
    )


MAPPINGS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from([None, "$.usage.tokens", "$['usage.tokens']"]),
        "type": st.sampled_from(["$.region", "$.usage", {"const": "t"}]),
        "subject": st.sampled_from([None, {"const": "acme"}, "usage.tokens", "$.usage.list[1]"]),
        "value": st.sampled_from([None, "usage.tokens", "$.usage.list[0]"]),
        "properties": st.one_of(
            st.just("others"),
            st.just({}),
            st.just(
                {"b": "$.usage.tokens", 'a"\n': {"const": 'x"\\'}, "list": "$.usage.list", "all": "usage", "none": "no"}
            ),
        ),
        "skip": st.sampled_from(
            [[{"field": "$.amount", "equals": ["7", "true", "1.5"]}], [{"field": "region", "equals": ["", "12"]}]]
        ),
    },
)


@given(st.sampled_from(DECLARED), MAPPINGS, st.booleans(), st.data())
def test_a_block_says_what_its_lines_say(
    declared: tuple[dict[str, Any], st.SearchStrategy[Any]], mapping: dict[str, Any], dense: bool, data: st.DataObject
) -> None:
    time, times = declared
    lines = [
        json.dumps(record, ensure_ascii=False, separators=(",", ":") if dense else None).encode(
            "utf-8", "surrogatepass"
        )
        for record in data.draw(st.lists(records(times), min_size=1, max_size=6))
    ]
    if data.draw(st.integers(0, 3)) == 0:
        # A byte here and there is another one.
        number = data.draw(st.integers(0, len(lines) - 1))
        place = data.draw(st.integers(0, len(lines[number]) - 1))
        byte = data.draw(st.sampled_from(b'0x",:{}[] \\\x00\xff1.e-\r'))
        lines[number] = lines[number][:place] + bytes([byte]) + lines[number][place + 1 :]
    check_both_ways(config(time=time, **mapping), lines)


def line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


def usual(number: int, **more: Any) -> dict[str, Any]:
    return {
        "at": f"2026-01-31T09:30:{number % 60:02d}.5Z",
        "from": "/gateway",
        "key": f"k{number}",
        "who": f"customer {number % 7}",
        "amount": number / 8,
        "region": "eu",
        "usage": {"tokens": number, "model": "é", "list": [number, "x"]},
        **more,
    }


USUAL = [
    {},
    {"properties": {"model": "usage.model", "tokens": "$.usage.tokens", "plan": {"const": 'a"b'}}},
    {"value": "$.usage.tokens", "id": None, "subject": None, "properties": {}},
    {"value": "$.usage.list[0]", "type": "region", "skip": [{"field": "region", "equals": ["us"]}]},
]


@pytest.mark.parametrize("mapping", USUAL)
def test_usual_lines_are_read_at_once(mapping: dict[str, Any]) -> None:
    records = [
        usual(number, **more)
        for number in range(100)
        for more in ({}, {"region": "us"}, {"region": None, "at": "2026-01-31T09:30:00+01:00"})
    ]
    lines = [line(record) for record in records if mapping.get("type") is None or record["region"]]
    check_both_ways(config(**mapping), lines)
    assert certain(config(**mapping), lines) == len(lines)


@pytest.mark.parametrize(
    ("form", "zone", "written"),
    [
        ("unix_s", None, 1_769_851_800),
        ("unix_s", None, 1_769_851_800.25),
        ("unix_ms", None, "1769851800250"),
        ("unix_us", None, 1_769_851_800_250_000),
        ("unix_ns", None, 1_769_851_800_250_000_999),
        ("rfc3339", None, "2026-01-31T10:30:00.25+01:00"),
        ("rfc3339", "Europe/Berlin", "2026-01-31 10:30:00.25"),
        ("%d/%b/%Y:%H:%M:%S %z", None, "31/Jan/2026:10:30:00 +0100"),
        ("%Y-%m-%d %H:%M:%S,%f", "Europe/Berlin", "2026-01-31 10:30:00,25"),
        ("%Y%m%d", "Europe/Berlin", 20260131),
    ],
)
def test_times_of_usual_forms_are_read_at_once(form: str, zone: str | None, written: Any) -> None:
    lines = [line(usual(number, at=written)) for number in range(20)]
    mapping = config(time={"field": "at", "form": form, "zone": zone})
    check_both_ways(mapping, lines)
    assert certain(mapping, lines) == len(lines)


def test_carriage_returns_belong_to_the_ends_of_lines() -> None:
    lines = [line(usual(number)) + b"\r" for number in range(3)]
    check_both_ways(config(), [*lines, b"\r", b"", b"no JSON\r"])
    assert certain(config(), lines) == 3


def test_what_a_second_member_of_the_same_name_hides_is_looked_at() -> None:
    whole = line(usual(1, hidden=1))
    twice = [whole[:-1] + b', "hidden": %b}' % hidden for hidden in (b"1", b"1x", b'"a"')]
    first = [whole.replace(b'"hidden": 1', b'"hidden": %b, "hidden": 1' % hidden) for hidden in (b"2", b"2x")]
    check_both_ways(config(), [whole, *twice, *first])


def test_records_without_an_id_are_called_by_their_place() -> None:
    check_both_ways(config(id=None), [line(usual(0)), line(usual(1, who="\\")), b"", line(usual(2))])
