"""Columns as JSON: sorted, all of it texts, and the same of a map of Parquet as of the JSON text of CSV."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.bills.documents import blank, flat, texts
from collector.datastore.bills.refused import Refused

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TAGS = st.lists(st.none() | st.dictionaries(TEXT, TEXT, max_size=4), max_size=12)
MAP = pa.map_(pa.utf8(), pa.utf8())


def canonical(document: dict[str, str]) -> str:
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@given(TAGS)
def test_a_map_and_its_json_are_one_document(tags: list[dict[str, str] | None]) -> None:
    wanted = [None if each is None else canonical(each) for each in tags]
    as_map = pa.array([None if each is None else list(each.items()) for each in tags], MAP)
    as_text = pa.array([None if each is None else json.dumps(each) for each in tags], pa.utf8())
    assert flat("Tags", as_map).to_pylist() == wanted
    assert flat("Tags", as_map.slice(len(tags) // 2)).to_pylist() == wanted[len(tags) // 2 :]
    assert flat("Tags", as_text, is_strict=True).to_pylist() == wanted


def test_members_that_are_no_texts_become_some() -> None:
    document = '{"n": 1.50, "b": true, "e": null, "o": {"z": 1, "a": [2]}, "t": "x"}'
    assert flat("Tags", pa.array([document])).to_pylist() == [
        '{"b":"true","e":"","n":"1.50","o":"{\\"a\\":[2],\\"z\\":1}","t":"x"}'
    ]
    numbers = pa.array([[("b", 0.25), ("a", None)]], pa.map_(pa.utf8(), pa.float64()))
    assert flat("x_Discounts", numbers).to_pylist() == ['{"a":"","b":"0.25"}']


def test_a_map_with_a_name_twice_keeps_the_last() -> None:
    assert flat("Tags", pa.array([[("a", "1"), ("a", "2")]], MAP)).to_pylist() == ['{"a":"2"}']


PAIRS = [{"key": "team", "value": "core"}, {"key": "n", "value": None}, {"key": "team", "value": "shop"}]


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array([PAIRS, [], None]), ['{"n":"","team":"core","team#2":"shop"}', "{}", None]),
        (pa.array([json.dumps(PAIRS), "[]", None]), ['{"n":"","team":"core","team#2":"shop"}', "{}", None]),
        (pa.array(['"b": "1","a": "2"', '"a": "{"']), ['{"a":"2","b":"1"}', '{"a":"{"}']),
    ],
    ids=["lists", "lists as JSON", "without braces"],
)
def test_tags_of_every_provider_are_objects(column: pa.Array, wanted: list[str | None]) -> None:
    assert flat("Tags", column, is_strict=True).to_pylist() == wanted


def test_what_is_no_object_stays_as_it_is_unless_it_must_be_one() -> None:
    assert flat("SkuPriceDetails", pa.array(["plain", "[1]"])).to_pylist() == ["plain", "[1]"]
    with pytest.raises(Refused, match="Tags") as refused:
        flat("Tags", pa.array([None, "{}", "plain"]), is_strict=True)
    assert refused.value.row == 2


@pytest.mark.parametrize(
    "document",
    [r'{"a":"\ud800"}', r'{"\udfff":"a"}', '{"a":1e99999999999999999999}', '{"a":' + "[" * 900 + "]" * 900 + "}"],
    ids=["half a pair", "half a pair as a name", "an exponent", "nesting"],
)
def test_so_does_what_cannot_be_written_down(document: str) -> None:
    assert flat("SkuPriceDetails", pa.array([document])).to_pylist() == [document]
    with pytest.raises(Refused, match="Tags"):
        flat("Tags", pa.array([document]), is_strict=True)


@pytest.mark.parametrize(
    "column", [pa.array([None, 1]), pa.array([None, ["a"]]), pa.array([None, [{"key": "a"}]])], ids=str
)
def test_so_does_a_column_of_what_are_no_objects(column: pa.Array) -> None:
    assert flat("SkuPriceDetails", column).null_count == 1
    with pytest.raises(Refused, match="Tags") as refused:
        flat("Tags", column, is_strict=True)
    assert refused.value.row == 1


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array([1.0, 1e-7, 0.1, None]), ["1", "0.0000001", "0.1", None]),
        (pa.array([7, None]), ["7", None]),
        (pa.array([True]), ["true"]),
        (pa.array([1_777_593_600_000], pa.timestamp("ms")), ["2026-05-01T00:00:00Z"]),
        (pa.array([{"b": 1, "a": "x"}]), ['{"a":"x","b":1}']),
        (pa.nulls(1), [None]),
    ],
    ids=lambda given: str(getattr(given, "type", "")),
)
def test_every_type_has_texts(column: pa.Array, wanted: list[str | None]) -> None:
    assert texts("x", column).to_pylist() == wanted


def test_a_type_without_texts_is_refused() -> None:
    with pytest.raises(Refused, match="duration"):
        texts("x", pa.array([1], pa.duration("s")))


def test_what_stands_for_nothing_is_null() -> None:
    assert blank(pa.array(["", "NULL", "null", " ", None])).to_pylist() == [None, None, "null", " ", None]
    assert blank(pa.array([1])).to_pylist() == [1]
    with pytest.raises(Refused, match="UTF-8"):
        blank(pa.array([b"\xff"], pa.binary()))
