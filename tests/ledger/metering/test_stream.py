"""Samples come in the order of time of every series, however they lie and wherever what is read is cut."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.metering import stream
from ledger.metering.stream import blocks, cuts
from meterbook.wire.instants import HOUR_US
from meterbook.wire.sections import STALE
from tests.fakes.journal import memory_journal
from tests.ledger.batches import DAY, content, series

EXTENTS = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 40), st.integers(1, 50)), max_size=12)
ROWS = st.lists(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30), st.sampled_from((1.0, 2.0, STALE))), max_size=12),
    max_size=8,
)


def extents(files: list[tuple[int, int, int]]) -> pa.Table:
    rows = sorted((start, start + length, rows) for start, length, rows in files)
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table(
        {
            name: pa.array(column, pa.int64())
            for name, column in zip(("start_us", "end_us", "rows"), columns, strict=True)
        }
    )


@given(EXTENTS, st.integers(0, 60), st.integers(1, 60))
def test_slices_tile_what_is_read(files: list[tuple[int, int, int]], start: int, length: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stream, "_SLICE_ROWS", 10)
        patched.setattr(stream, "_SLICE_ROWS_MAX", 25)
        found = cuts(extents(files), start, start + length)
    assert (found[0], found[-1]) == (start, start + length)
    assert all(low < high for low, high in pairwise(found))


def test_a_slice_ends_where_a_file_does() -> None:
    files = [(0, 9, 2_000_000), (10, 9, 2_000_000), (15, 9, 2_000_000), (30, 9, 100), (40, 9, 2_000_000)]
    # The second and the third lie over each other; the fourth is not worth a slice.
    assert cuts(extents(files), 0, 100) == [0, 10, 30, 100]


def test_a_file_that_is_too_large_is_cut() -> None:
    found = cuts(extents([(0, 99, 12_000_000)]), 0, 100)
    assert found == [0, 43, 86, 100]


@given(ROWS, st.integers(0, 10), st.integers(1, 30))
def test_what_is_read_is_there_once_and_in_order(
    batches: list[list[tuple[int, int, float]]], start: int, length: int
) -> None:
    low, high = DAY + start, DAY + start + length
    with memory_journal(DAY + HOUR_US) as journal, pytest.MonkeyPatch.context() as patched:
        patched.setattr(stream, "_BLOCK_ROWS", 4)
        patched.setattr(stream, "_SLICE_ROWS", 5)
        patched.setattr(stream, "_SLICE_ROWS_MAX", 9)
        patched.setattr(stream, "_ties_met", threading.Event())
        for number, rows in enumerate(batches):
            samples = sorted({(one, DAY + at, value) for one, at, value in rows}, key=repr)
            journal.send(f"agent-{number}", content(series=[series(each) for each in range(1, 6)], samples=samples))
        ids = np.array([1, 2, 4], np.int64)
        found = list(blocks(journal.view(), ids, low, high))
    expected = sorted(
        (one, DAY + at, repr(value))
        for rows in batches
        for one, at, value in {(*row[:2], repr(row[2])): row for row in rows}.values()
        if one in ids.tolist() and low <= DAY + at < high
    )
    assert sorted((int(ids[code]), time, repr(value)) for code, time, value in _rows(found)) == expected
    for codes, times, _, _ in found:
        assert sorted(zip(codes.tolist(), times.tolist(), strict=True)) == list(
            zip(codes.tolist(), times.tolist(), strict=True)
        )
    reached: dict[int, int] = {}
    for number, (codes, times, _, _) in enumerate(found):
        for code in set(codes.tolist()):
            mine = times[codes == code]
            # What stands at one instant stands in one block.
            assert mine[0] > reached.get(code, -1), number
            reached[code] = int(mine[-1])


def test_markers_come_last_of_an_instant() -> None:
    with memory_journal(DAY + HOUR_US) as journal:
        for agent, value in (("one", STALE), ("two", 3.0), ("three", 2.0)):
            journal.send(agent, content(series=[series(1)], samples=[(1, DAY, value)]))
        (found,) = blocks(journal.view(), np.array([1]), DAY, DAY + 1)
    assert repr(found.values.tolist()) == "[3.0, 2.0, nan]"


def test_an_error_while_reading_reaches_who_asked() -> None:
    def failing() -> Any:
        yield 1
        raise OSError("the disk is gone")

    parts = stream._ahead(failing(), 1)
    assert next(parts) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(parts)


def _rows(found: list[stream.Block]) -> list[tuple[int, int, float]]:
    return [row for columns in found for row in zip(*(column.tolist() for column in columns[:3]), strict=True)]
