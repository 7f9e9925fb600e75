"""Columns as one object a row: what the JSON encoder says of each row by itself, whatever repeats itself and whatever does not."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.bills.others import quoted, together

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = ["a", 'b"', "m", "ü", "z"]


def canonical(document: dict[str, str]) -> str:
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def assert_said(rows: list[dict[str, str | None]]) -> None:
    columns = {name: pa.array([row.get(name) for row in rows], pa.utf8()) for name in NAMES}
    wanted = [canonical({name: text for name, text in row.items() if text is not None}) for row in rows]
    assert together(columns, len(rows)).to_pylist() == wanted


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), st.none() | TEXT), max_size=12))
def test_rows_that_differ(rows: list[dict[str, str | None]]) -> None:
    assert_said(rows)


@given(
    st.lists(st.dictionaries(st.sampled_from(NAMES), st.none() | TEXT), min_size=1, max_size=3),
    st.lists(TEXT, max_size=3),
    st.integers(60, 90),
)
def test_rows_that_are_alike_but_for_one_column(
    kinds: list[dict[str, str | None]], texts: list[str], count: int
) -> None:
    rows = [{**kinds[row % len(kinds)], "m": f"{row}{''.join(texts)}"} for row in range(count)]
    assert_said(rows)
    assert_said([{**kinds[row * row % len(kinds)]} for row in range(count)])


def test_many_columns_of_few_texts_each_that_never_come_together_twice() -> None:
    rows = [{name: str(row // 3**place % 3) for place, name in enumerate(NAMES)} for row in range(243)]
    assert_said([{**row} for row in rows])


def test_no_columns_and_no_rows() -> None:
    assert together({}, 2).to_pylist() == ["{}", "{}"]
    assert together({"a": pa.array([], pa.utf8())}, 0).to_pylist() == []


@given(st.lists(st.none() | TEXT))
def test_texts_as_json(texts: list[str | None]) -> None:
    wanted = [None if text is None else json.dumps(text, ensure_ascii=False) for text in texts]
    assert quoted(pa.array(texts, pa.utf8())).to_pylist() == wanted
