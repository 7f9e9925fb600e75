"""Where a quantity comes from: the entries that make it up, and the batches that its samples and events came in.

Answers are Arrow tables with times in UTC microseconds; each batch can be proved by agent, epoch and sequence.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ledger.journal.view import View

_BATCHES = (
    "SELECT agent, epoch, sequence, hash, position, rows FROM batches JOIN found USING (position) ORDER BY position"
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

    Of a sample that came more than once the one that was accepted first counts.
    """
    return view.tables.query(
        "WITH given AS (SELECT series_id, epoch_us(time) AS time_us, min(position) AS position FROM samples"  # noqa: S608
        "  SEMI JOIN wanted ON samples.series_id = wanted.series_id AND epoch_us(samples.time) = wanted.time_us"
        "  WHERE position <= $1 GROUP BY ALL),"
        f" found AS (SELECT position, count(*) AS rows FROM given GROUP BY position) {_BATCHES}",
        [view.position],
        {"wanted": pa.table({"series_id": series_ids, "time_us": times_us})},
    )


def batches_of_events(view: View, event_type: str, tenant: str, start_us: int, end_us: int) -> pa.Table:
    """The batches that a tenant's events of a type in [start, end) came in first, by position."""
    return view.tables.query(
        "WITH first AS (SELECT source, id, min(position) AS position FROM events"  # noqa: S608
        "  WHERE position <= $1 AND type = $2 AND tenant = $3"
        "  AND time >= make_timestamp($4) AND time < make_timestamp($5) GROUP BY source, id),"
        f" found AS (SELECT position, count(*) AS rows FROM first GROUP BY position) {_BATCHES}",
        [view.position, event_type, tenant, start_us, end_us],
    )
