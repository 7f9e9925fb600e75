"""Intervals that touch become one, and their union is what it was, however they are cut into parts."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.intervals import joined

Interval = tuple[str, int, int]


def part(*intervals: Interval) -> pa.RecordBatch:
    columns = [list(column) for column in zip(*intervals, strict=True)] or [[], [], []]
    types = [pa.utf8(), pa.int64(), pa.int64()]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=["source", "start_us", "end_us"])


def moments(intervals: list[Interval]) -> set[tuple[str, int]]:
    return {(source, at) for source, start, end in intervals for at in range(start, end)}


def test_what_touches_is_one_interval() -> None:
    found = joined([part(("a", 0, 10), ("a", 10, 20), ("a", 21, 30), ("b", 30, 40), ("b", 32, 35), ("b", 36, 50))])
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("a", 0, 20),
        ("a", 21, 30),
        ("b", 30, 50),
    ]


def test_nothing_is_nothing() -> None:
    assert joined([]).num_rows == joined([part()]).num_rows == 0


intervals = st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.integers(1, 12)).map(
    lambda each: (each[0], each[1], each[1] + each[2])
)


@given(told=st.lists(intervals, max_size=20), cut=st.integers(0, 20))
def test_the_union_stays(told: list[Interval], cut: int) -> None:
    found = joined([part(*told[:cut]), part(*told[cut:])])
    rows = [(row["source"], row["start_us"], row["end_us"]) for row in found.to_pylist()]
    assert moments(rows) == moments(told)
    assert rows == sorted(rows) and len(rows) <= len(told)
