"""What was sampled before and after is found however long ago, wherever it lies, and what SQLite kept as NULL is a marker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ledger.journal import samples
from ledger.journal.view import View
from meterbook.wire.instants import DAY_US, HOUR_US
from meterbook.wire.sections import STALE
from tests.fakes.journal import memory_journal
from tests.ledger.batches import DAY, append, content, opened, series

LONG = 400 * DAY_US


def ids(*found: int) -> np.ndarray:
    return np.array(found, np.int64)


def told(table: Any) -> list[tuple[int, int]]:
    return list(zip(table["series_id"].to_pylist(), table["time_us"].to_pylist(), strict=True))


def test_the_one_before_is_found_however_long_ago_it_was() -> None:
    times = {1: DAY - 1, 2: DAY - 2 * HOUR_US, 3: DAY - 3 * DAY_US, 4: DAY - LONG, 6: DAY}
    with memory_journal(DAY + HOUR_US) as journal:
        defined = [series(each, since=DAY - LONG) for each in range(1, 7)]
        journal.send("one", content(series=defined, samples=[(each, time_us, 1.0) for each, time_us in times.items()]))
        view = journal.view()
        found = samples.before(view, ids(1, 2, 3, 4, 5, 6), np.full(6, DAY))
        assert told(found) == [(each, times[each]) for each in (1, 2, 3, 4)]
        assert told(samples.before(view, ids(1, 2, 3, 4), np.full(4, DAY), DAY - DAY_US)) == [
            (1, times[1]),
            (2, times[2]),
        ]
        # Each before a time of its own.
        assert told(samples.before(view, ids(1, 2, 3), np.array([DAY - 1, DAY, DAY - 4 * DAY_US]))) == [(2, times[2])]


@pytest.mark.parametrize("compacted", [False, True])
def test_a_marker_that_the_catalog_kept_as_null_is_a_marker(compacted: bool, tmp_path: Path) -> None:
    with opened(tmp_path / "store") as journal:
        rows = [(1, DAY, 5.0), (1, DAY + 10, STALE), (1, DAY + 11, 7.0), (1, DAY + 20, STALE)]
        append(journal, content(series=[series(1)], samples=rows))
        assert journal.view().position == 1
        if compacted:
            journal.tables.compact(0)
        view: View = journal.view()
        values = samples.near(view, ids(1), DAY + 11, DAY + 30)["value"].to_pylist()
        assert repr(values) == "[5.0, nan, 7.0, nan]"
        assert told(samples.before(view, ids(1), ids(DAY + 30))) == [(1, DAY + 11)]
        assert told(samples.before(view, ids(1), ids(DAY + 30), ends=True)) == [(1, DAY + 20)]
        assert told(samples.after(view, ids(1), DAY + 5)) == [(1, DAY + 10), (1, DAY + 11)]
        assert told(samples.after(view, ids(1), DAY + 5, ends=True)) == [(1, DAY + 10)]
        assert samples.last(view, ids(1), DAY, DAY + 30)["last_us"].to_pylist() == [DAY + 11]
        assert samples.vouched(view, ids(1, 1), ids(DAY + 11, DAY)).num_rows == 1
        del view


def test_files_tell_between_which_times_their_rows_lie(tmp_path: Path) -> None:
    with opened(tmp_path / "store") as journal:
        rows = [(each, DAY + each * HOUR_US, 1.0) for each in range(1, 151)]
        append(journal, content(series=[series(each) for each in range(1, 151)], samples=rows))
        view = journal.view()
        (extent,) = view.tables.extents("samples").to_pylist()
        assert extent == {"start_us": DAY + HOUR_US, "end_us": DAY + 150 * HOUR_US, "rows": 150}
        assert samples.are_most(view, np.arange(1, 76)) and not samples.are_most(view, np.arange(1, 75))
        del view
