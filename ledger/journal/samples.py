"""Questions about samples: the rows that there are more of than of all others, so none of these reads more than it must.

Files tell of their rows the earliest and latest time and the lowest and highest position, and the tables look into those only that may
have what is asked for. So *before* a time is looked for in steps that grow, from the time backwards; and a series that was defined
yesterday is not looked for in files that were full by then.

Of two samples of a series at one instant the one that was accepted first comes first, and of two in one batch the lesser; but a
marker (a NaN: the series ended there) comes last: where one reader saw it end and another read it, it was there. SQLite holds no NaN, so
one that a catalog there held for a while is NULL ever since: both are markers.
"""

# ruff: noqa: S608 - all that questions are put together of is written here.
from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pyarrow as pa

from ledger.journal.view import View
from meterbook.wire.instants import DAY_US, EARLIEST_US, HOUR_US, LATEST_US

#: Markers that stand so close before a sample say something about it (``ledger.metering.increase``).
MARKED_US = 2
#: How far from a time is looked for the sample before or after it, one after the other, and then as far as there is anything.
_LOOKS_US = (HOUR_US, DAY_US, 30 * DAY_US, None)

# What is NULL is a marker, too.
_TOLD = "WITH told AS NOT MATERIALIZED (SELECT series_id, time, coalesce(value, 'nan'::DOUBLE) AS value, position FROM samples)"
_EMPTY = pa.table(
    {"series_id": pa.array([], pa.int64()), "time_us": pa.array([], pa.int64()), "value": pa.array([], pa.float64())}
)


def near(view: View, series_ids: np.ndarray, start_us: int, end_us: int, *, ends: bool = False) -> pa.Table:
    """Samples of the series in [start, end), with the one before and the one after of each series.

    Markers are there too, and those that stand right before the first and the last of these samples; with ``ends`` one of them may be
    the one before or after. Columns series_id, time_us, value; by series, time and as above.
    """
    inside = view.tables.query(
        _TOLD + " SELECT series_id, epoch_us(time) AS time_us, value FROM told SEMI JOIN wanted USING (series_id)"
        " WHERE position <= $1 AND time >= make_timestamp($2 - $4) AND time < make_timestamp($3)"
        " AND (isnan(value) OR time >= make_timestamp($2)) ORDER BY series_id, time, isnan(value), position, value",
        [view.position, start_us, end_us, MARKED_US],
        {"wanted": _wanted(series_ids)},
    )
    parts = [
        before(view, series_ids, np.full(len(series_ids), start_us), ends=ends),
        inside,
        after(view, series_ids, end_us, ends=ends),
    ]
    found = pa.concat_tables(parts)
    order = np.lexsort((found["time_us"].to_numpy(), found["series_id"].to_numpy()))
    return found.take(pa.array(order))


def between(
    view: View, series_ids: np.ndarray | None, start_us: int, end_us: int, *, positions: bool = True
) -> Generator[pa.RecordBatch]:
    """Samples of the series, or of all, in [start, end), markers among them, a part at a time and in the order in which they lie.

    Columns series_id, time, value (of markers NaN or NULL), and position where that is wanted: it is as long as the others, and seldom
    decides anything.
    """
    columns = "series_id, time, value, position" if positions else "series_id, time, value"
    wanted = {} if series_ids is None else {"wanted": _wanted(series_ids)}
    return view.tables.stream(
        f"SELECT {columns} FROM samples {'SEMI JOIN wanted USING (series_id)' if wanted else ''}"
        " WHERE position <= $1 AND time >= make_timestamp($2) AND time < make_timestamp($3)",
        [view.position, start_us, end_us],
        wanted,
    )


def are_most(view: View, series_ids: np.ndarray) -> bool:
    """Whether there are not many other series: then it costs more to leave their samples out than to read them."""
    (row,) = view.tables.query(
        "SELECT count(DISTINCT series_id) AS series FROM series WHERE position <= ?", [view.position]
    ).to_pylist()
    return 2 * len(series_ids) >= int(row["series"])


def before(
    view: View, series_ids: np.ndarray, times_us: np.ndarray, since_us: int | None = None, *, ends: bool = False
) -> pa.Table:
    """The last sample of each series before a time of its own, of those that have one: series_id, time_us, value; by series.

    With ``ends`` it may be a marker. What is before ``since_us`` is not looked for.
    """
    wanted = pa.table({"series_id": series_ids, "until_us": times_us})
    found = [_EMPTY]
    for look_us in _LOOKS_US if since_us is None else (None,):
        if not wanted.num_rows:
            break
        latest_us, earliest_us = int(np.max(wanted["until_us"])), int(np.min(wanted["until_us"]))
        low_us = since_us if look_us is None else earliest_us - look_us
        # What was defined later than a file was full is not in it: the tables know the positions of every file.
        since = _defined_since(view, wanted) if low_us is None else 0
        seen = _last(view, wanted, (low_us, latest_us), since, ends=ends)
        found.append(seen)
        wanted = wanted.join(seen.select(["series_id"]), "series_id", join_type="left anti")
    return pa.concat_tables(found).sort_by("series_id")


def after(view: View, series_ids: np.ndarray, end_us: int, *, ends: bool = False) -> pa.Table:
    """The first sample of each series at a time or later, and the markers right before it; as of :func:`before`."""
    wanted = _wanted(series_ids)
    found = [_EMPTY]
    for look_us in _LOOKS_US:
        if not wanted.num_rows:
            break
        # Always from the time on: the markers before a sample may stand on the other side of where the last look ended.
        seen = _first(view, wanted, (end_us, LATEST_US if look_us is None else end_us + look_us), ends=ends)
        found.append(seen)
        wanted = wanted.join(seen.select(["series_id"]), "series_id", join_type="left anti")
    return pa.concat_tables(found).sort_by([("series_id", "ascending"), ("time_us", "ascending")])


def vouched(view: View, series_ids: np.ndarray, times_us: np.ndarray) -> pa.Table:
    """Those of these samples (series_id, time_us) that an agent has given without a marker of its own right before it."""
    if len(times_us) == 0:
        return _EMPTY.select(["series_id", "time_us"])
    return view.tables.query(
        _TOLD + ", given AS (SELECT series_id, epoch_us(told.time) AS time_us, isnan(value) AS is_end, agent FROM told"
        "  SEMI JOIN wanted USING (series_id) JOIN batches USING (position)"
        "  WHERE position <= $1 AND told.time >= make_timestamp($2) AND told.time <= make_timestamp($3))"
        " SELECT DISTINCT series_id, time_us FROM given AS here SEMI JOIN wanted USING (series_id, time_us)"
        " WHERE NOT is_end AND NOT EXISTS (SELECT 1 FROM given AS mark WHERE mark.is_end AND mark.series_id = here.series_id"
        "  AND mark.agent = here.agent AND mark.time_us IN (here.time_us - 1, here.time_us - 2))"
        " ORDER BY series_id, time_us",
        [view.position, int(np.min(times_us)) - MARKED_US, int(np.max(times_us))],
        {"wanted": pa.table({"series_id": series_ids, "time_us": times_us})},
    )


def last(view: View, series_ids: np.ndarray, start_us: int, end_us: int) -> pa.Table:
    """Those of the series that have samples in [start, end), and the time of the last: series_id, last_us; by series."""
    return view.tables.query(
        _TOLD + " SELECT series_id, epoch_us(max(time)) AS last_us FROM told SEMI JOIN wanted USING (series_id)"
        " WHERE position <= $1 AND time >= make_timestamp($2) AND time < make_timestamp($3) AND NOT isnan(value)"
        " GROUP BY series_id ORDER BY series_id",
        [view.position, start_us, end_us],
        {"wanted": _wanted(series_ids)},
    )


def fresh(view: View, series_ids: np.ndarray, after: int, *, ends: bool = False) -> pa.Table:
    """Per series with samples of a position beyond ``after``: first_us of those, previous_us of the one before.

    Markers of where a series ended are samples here; with ``ends`` the one before may be one, too.
    """
    first = view.tables.query(
        "SELECT series_id, epoch_us(min(time)) AS first_us FROM samples SEMI JOIN wanted USING (series_id)"
        " WHERE position <= $1 AND position > $2 GROUP BY series_id",
        [view.position, after],
        {"wanted": _wanted(series_ids)},
    )
    previous = before(view, first["series_id"].to_numpy(), first["first_us"].to_numpy(), ends=ends)
    known = previous.select(["series_id", "time_us"]).rename_columns(["series_id", "previous_us"])
    return first.join(known, "series_id", join_type="left outer").sort_by("series_id")


def _last(view: View, wanted: pa.Table, span: tuple[int | None, int], since: int, *, ends: bool) -> pa.Table:
    start_us, end_us = span
    return view.tables.query(
        _TOLD
        + " SELECT series_id, epoch_us(max(time)) AS time_us, arg_max(value, (time, NOT isnan(value), -position, -value)) AS value"
        " FROM told JOIN wanted USING (series_id) WHERE position <= $1 AND position >= $2"
        " AND time >= make_timestamp($3) AND time < make_timestamp($4) AND epoch_us(time) < until_us AND ($5 OR NOT isnan(value))"
        " GROUP BY series_id",
        [view.position, since, EARLIEST_US if start_us is None else start_us, end_us, ends],
        {"wanted": wanted},
    )


def _first(view: View, wanted: pa.Table, span: tuple[int, int], *, ends: bool) -> pa.Table:
    return view.tables.query(
        _TOLD + ", chosen AS (SELECT series_id, time, value, position FROM told SEMI JOIN wanted USING (series_id)"
        "  WHERE position <= $1 AND time >= make_timestamp($2) AND time <= make_timestamp($3)),"
        " after AS (SELECT series_id, min(time) AS time, arg_min(value, (time, isnan(value), position, value)) AS value FROM chosen"
        "   WHERE $4 OR NOT isnan(value) GROUP BY series_id),"
        " near AS (SELECT series_id, time, value FROM after"
        "  UNION ALL SELECT chosen.series_id, chosen.time, chosen.value FROM chosen JOIN after ON chosen.series_id = after.series_id"
        "   AND isnan(chosen.value) AND chosen.time < after.time AND chosen.time >= after.time - to_microseconds($5))"
        " SELECT series_id, epoch_us(time) AS time_us, value FROM near ORDER BY series_id, time",
        [view.position, *span, ends, MARKED_US],
        {"wanted": wanted},
    )


def _defined_since(view: View, wanted: pa.Table) -> int:
    """The first position at which any of the series was defined; no sample comes before its definition."""
    (row,) = view.tables.query(
        "SELECT coalesce(min(position), 0) AS position FROM series SEMI JOIN wanted USING (series_id)",
        [],
        {"wanted": wanted},
    ).to_pylist()
    return int(row["position"])


def _wanted(series_ids: np.ndarray) -> pa.Table:
    return pa.table({"series_id": pa.array(series_ids, pa.int64())})
