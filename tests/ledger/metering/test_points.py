"""Points fall into parts of one resource and window, whoever told of them and however they arrived."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ledger.metering import nano
from ledger.metering.aggregated import Part, Resource
from ledger.metering.grid import Grid
from ledger.metering.latest import last_known, latest
from ledger.metering.points import Points, numbered, ordered, parts
from ledger.metering.subjects import Key
from ledger.metering.windows import Windows
from meterbook.wire.instants import HOUR_US

RESOURCES = [Resource(Key("acme", "{}"), name) for name in ("a", "b")]
GRID = Grid(0, 3 * HOUR_US, Windows("hour"))
#: (place of the resource, time, nano-units, place of the source)
Row = tuple[int, int, int, int]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(-HOUR_US, 4 * HOUR_US) | st.integers(-1, 4).map(lambda hour: hour * HOUR_US),
        st.integers(-(10**12), 10**12),
        st.integers(0, 1),
    ),
    max_size=12,
)


def points(rows: list[Row]) -> Points:
    rows = sorted(rows)
    groups, times, nanos, origins = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    whole, rest = nano.pairs(nanos)
    columns = np.array(groups, np.int64), np.array(times, np.int64), whole, rest, np.array(origins, np.int64)
    return Points(*columns, RESOURCES, ["one", "other"])


@given(ROWS)
def test_every_point_of_the_grid_is_in_the_part_of_its_resource_and_window(rows: list[Row]) -> None:
    expected: dict[tuple[int, int], list[int]] = {}
    for resource, time, value, _ in sorted(rows):
        if 0 <= time < 3 * HOUR_US:
            expected.setdefault((resource, time // HOUR_US * HOUR_US), []).append(value)
    for split, sort in ((parts, list), (ordered, sorted)):
        found = split(points(rows), GRID)
        spans = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
        inside = [found.points.nano(np.arange(start, end)) for start, end in spans]
        assert dict(zip(found.cells, inside, strict=True)) == {cell: sort(each) for cell, each in expected.items()}


@given(ROWS)
def test_rows_are_found_by_resource(rows: list[Row]) -> None:
    told = points(rows)
    by_resource = [set(told.groups[first:last].tolist()) for first, last in told.firsts()]
    assert by_resource == [{resource} for resource in sorted({row[0] for row in rows})]
    assert sum(last - first for first, last in told.firsts()) == len(rows)
    assert [each.tolist() for each in told.by_thread()] == [list(range(*span)) for span in told.firsts()]


def test_one_source_has_the_amount_and_all_that_told_are_there() -> None:
    found = latest(points([(0, 1, 5, 0), (0, 2, 7, 1), (0, HOUR_US, 9, 1)]), GRID)
    amounts = {(found.parts[place], start): amount for (place, start), amount in found.quantity.items()}
    assert amounts == {
        (Part(RESOURCES[0], "one"), 0): 7,
        (Part(RESOURCES[0], "other"), 0): 0,
        (Part(RESOURCES[0], "other"), HOUR_US): 9,
    }


def test_a_thread_that_goes_over_to_another_resource_leaves_the_first() -> None:
    """Thread 7 tells of a, then of b; thread 8 tells of a all the time, and had spoken before."""
    told = points([(0, 0, 1, 0), (0, 10, 2, 1), (1, HOUR_US, 3, 1)])
    found = last_known(replace(told, threads=np.array([8, 7, 7])), GRID, 2 * HOUR_US)
    amounts = {(found.parts[place].resource.name, start): amount for (place, start), amount in found.quantity.items()}
    assert amounts == {("a", 0): 2, ("a", HOUR_US): 1, ("b", HOUR_US): 3}


def test_names_are_numbered_as_they_come() -> None:
    places, names = numbered(["x", "y", "x", "z"])
    assert (places.tolist(), names) == ([0, 1, 0, 2], ["x", "y", "z"])
    assert numbered([])[1] == []
