"""Where a quantity comes from: the entries that make it up, and why they were booked; the batches that its samples and events came
in, and what was amended of these.

Answers are Arrow tables with times in UTC microseconds; each batch can be proved by agent, epoch and sequence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pyarrow as pa

from ledger.journal.view import View
from meterbook.wire.instants import LATEST_US

_BATCHES = (
    "SELECT agent, epoch, sequence, hash, position, rows FROM batches JOIN found USING (position) ORDER BY position"
)
_AMENDMENTS = (
    "SELECT document, author, amendments.position, epoch_us(records.time) AS time_us"
    " FROM amendments JOIN records ON amendments.position = records.position WHERE amendments.position <= $1"
)


def entries_of(view: View, meter: str, tenant: str, window_us: int) -> pa.Table:
    """What was booked for a window, oldest first: dimensions, version, quantity, estimated, observed_us, expected_us, position, and
    time_us, when it was.
    """
    return view.tables.query(
        "SELECT dimensions, version, quantity, estimated, observed_us, expected_us, entries.position, epoch_us(records.time) AS time_us"
        " FROM entries JOIN records ON entries.position = records.position WHERE meter = $1 AND tenant = $2"
        " AND hour = make_timestamp($3) AND entries.position <= $4 ORDER BY entries.position, dimensions",
        [meter, tenant, window_us, view.position],
    )


def batches_of_samples(view: View, series_ids: np.ndarray, times_us: np.ndarray) -> pa.Table:
    """The batches that some samples (of a series, at a time) came in, by position; ``rows`` is how many of them each has.

    Of a sample that came more than once the one that was accepted first counts, and a marker of an end only where there is no other.
    """
    return view.tables.query(
        "WITH given AS (SELECT series_id, epoch_us(time) AS time_us,"  # noqa: S608
        "  arg_min(position, (coalesce(isnan(value), true), position)) AS position FROM samples"
        "  SEMI JOIN wanted ON samples.series_id = wanted.series_id AND epoch_us(samples.time) = wanted.time_us"
        "  WHERE position <= $1 GROUP BY ALL),"
        f" found AS (SELECT position, count(*) AS rows FROM given GROUP BY position) {_BATCHES}",
        [view.position],
        {"wanted": pa.table({"series_id": series_ids, "time_us": times_us})},
    )


def batches_at(view: View, rows: Mapping[int, int]) -> pa.Table:
    """The batches of some positions, each with how many rows of it are meant."""
    found = pa.table({"position": pa.array(rows.keys(), pa.int64()), "rows": pa.array(rows.values(), pa.int64())})
    return view.tables.query(_BATCHES, (), {"found": found})


def received(view: View, source: str, ident: str) -> pa.Table:
    """An event as often as it came: position, agent, origin, type, tenant, time_us, value, properties. The first of them counts."""
    return view.tables.query(
        "SELECT events.position, agent, origin, type, tenant, epoch_us(events.time) AS time_us, value, properties"
        " FROM events JOIN batches ON events.position = batches.position"
        " WHERE source = $1 AND id = $2 AND events.position <= $3"
        " ORDER BY events.position, events.time, type, tenant, origin, value, properties",
        [source, ident, view.position],
    )


def amendments_of(view: View, source: str, ident: str) -> pa.Table:
    """What was amended of an event, oldest first: document, author, position, and time_us, when it was."""
    return view.tables.query(
        f"{_AMENDMENTS} AND source = $2 AND id = $3 ORDER BY amendments.position", [view.position, source, ident]
    )


def amendments_between(view: View, event_type: str, start_us: int, end_us: int) -> pa.Table:
    """The same of all events of a type that lie in [start, end), before or after it."""
    return view.tables.query(
        f"{_AMENDMENTS} AND type = $2 AND (epoch_us(amendments.time) >= $3 AND epoch_us(amendments.time) < $4"
        "  OR epoch_us(time_before) >= $3 AND epoch_us(time_before) < $4) ORDER BY amendments.position",
        [view.position, event_type, start_us, end_us],
    )


def corrections_of(
    view: View, meter: str, tenants: Collection[str], start_us: int, end_us: int, limit: int
) -> pa.Table:
    """Entries that changed a quantity of a window, one of [start, end), that an earlier run had booked, if only with nothing.

    The newest first: position, time_us (when it was), window_us, tenant, dimensions, before, after, and total, how many there are.
    """
    return view.tables.query(
        "WITH mine AS (SELECT *, sum(quantity) OVER (PARTITION BY tenant, dimensions, hour ORDER BY position) AS after"
        "  FROM entries WHERE meter = $1 AND position <= $2 AND hour >= make_timestamp($3) AND hour < make_timestamp($4)"
        "   AND (len($5) = 0 OR list_contains($5, tenant))),"
        " once AS (SELECT hour, min(runs.position) AS position FROM (SELECT DISTINCT hour FROM mine) AS hours"
        '  JOIN runs ON meter = $1 AND runs.start <= hour AND runs."end" > hour GROUP BY hour)'
        " SELECT mine.position, epoch_us(records.time) AS time_us, epoch_us(mine.hour) AS window_us, tenant, dimensions,"
        "  (after - quantity)::DECIMAL(38, 9) AS before, after::DECIMAL(38, 9) AS after, count(*) OVER () AS total"
        " FROM mine JOIN once ON mine.hour = once.hour AND mine.position > once.position"
        " JOIN records ON records.position = mine.position WHERE quantity != 0 OR estimated != 0"
        " ORDER BY mine.position DESC, mine.hour, tenant, dimensions LIMIT $6",
        [meter, view.position, start_us, min(end_us, LATEST_US), sorted(tenants), limit],
    )


def causes_at(view: View, meter: str, positions: Iterable[int]) -> pa.Table:
    """Why a meter was booked by the runs of some positions: kind, name, number, start_us, end_us, position."""
    return view.tables.query(
        'SELECT kind, name, number, epoch_us(start) AS start_us, epoch_us("end") AS end_us, position FROM causes'
        " SEMI JOIN wanted USING (position) WHERE meter = $1 ORDER BY position, start, kind, name",
        [meter],
        {"wanted": pa.table({"position": pa.array(sorted(set(positions)), pa.int64())})},
    )
