"""What a matcher says of columns is what it says of each text."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.profiles import Coded, numbered
from ledger.costing.taking import accepted
from ledger.directory.focus import Reading
from ledger.directory.matching import Matcher

TEXTS = st.lists(st.sampled_from([None, "", "a", "ab", "b", "eu-west-1", "12", "-3.5", "1e3", "\n", "ü"]), max_size=8)
MATCHERS = st.sampled_from(
    [
        "a",
        ["a", "12"],
        {"not": "a"},
        {"in": ["a", "ab", "b"], "not": "b"},
        {"begins": "a"},
        {"begins": "a", "ends": "b"},
        {"ends": "1", "matches": "eu-.*"},
        {"matches": "(?s:.)"},
        {"at_least": 12},
        {"above": "-4", "below": "12"},
        {"exists": True},
        {"exists": False},
        {"exists": True, "not": "a"},
    ]
)


@given(TEXTS, MATCHERS)
def test_columns_are_matched_as_texts_are(texts: list[str | None], written: object) -> None:
    matcher = Matcher.model_validate(written)
    again = Matcher.model_validate(json.loads(matcher.model_dump_json()))
    column = Coded.of(pa.chunked_array([pa.array(texts, pa.utf8())]))
    expected = [matcher.accepts(text or None) for text in texts]
    assert accepted(matcher, column).tolist() == accepted(again, column).tolist() == expected


@given(TEXTS, st.sampled_from(["(a).*", ".*-([a-z]+)-.*", "(x?)a"]))
def test_columns_are_read_as_texts_are(texts: list[str | None], capture: str) -> None:
    reading = Reading(column="ResourceId", capture=capture)
    column = Coded.of(pa.chunked_array([pa.array(texts, pa.utf8())]))
    read = column.read(reading)
    assert [read.text(row) for row in range(len(texts))] == [reading.of(text or None) or "" for text in texts]


@given(st.lists(st.tuples(st.integers(-1, 2), st.sampled_from([-(2**62), 0, 2**62]), st.sampled_from([0, 2**61]))))
def test_rows_that_are_the_same_have_one_number(rows: list[tuple[int, int, int]]) -> None:
    columns = [pa.array(column, pa.int64()).to_numpy() for column in zip(*rows, strict=True)] if rows else []
    codes, places = numbered(columns, len(rows))
    assert [rows[place] for place in places[codes].tolist()] == rows
    assert len(places) == len(set(rows))
    assert all(rows.index(rows[place]) == place for place in places.tolist())
