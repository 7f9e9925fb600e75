"""How far back the news reaches: the earliest time whose metering may differ from what it was at an earlier position.

Booking and answering both rest on it. What lies before is settled by the entries that stand; what lies after is measured
again. So a time too early costs work, and a time too late would leave a wrong quantity in the book. There are four
kinds of news:

* a sample, which changes everything since the sample before it, or since its series began;
* a definition, by which a series has belonged to another tenant since some time;
* a coverage record, which says that a source was observed, and may thereby say when a series began;
* silence, which only time tells: a source that is overdue was expected all the while.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering.increase import beginning
from ledger.metering.observation import Accounts, Polls
from ledger.metering.subjects import COUNTED, EVER, Subjects, reassigned, subjects
from meterbook.wire.instants import SECOND_US


def series_reach(view: View, meter: Meter, after: int) -> int | None:
    """How far back what came after a position reaches for a meter of series; None where it changes nothing."""
    assert meter.source.metric is not None
    definitions = view.series(meter.source.metric)
    chosen = subjects(definitions, meter)
    counts = meter.aggregation in COUNTED
    polls = Polls(view) if counts else None
    # Another series of the resource may have been held until now for nothing, and is held until a fresh sample from now on.
    before_us = 0 if meter.per is None else meter.max_gap_s * SECOND_US
    found = [time_us - before_us for time_us in _samples(view, chosen, polls, after)]
    if after:
        older = definitions.filter(pc.less_equal(definitions["position"], after))
        if older.num_rows < definitions.num_rows:
            found += _definitions(view, subjects(older, meter), chosen, polls)
        found += _coverage(view, after, set(chosen.sources), counts)
    return min(found, default=None)


def held_reach(reach: Callable[[View, Meter, int], int | None]) -> Callable[[View, Meter, int], int | None]:
    """The same for what holds until something else is told: time alone adds to it."""

    def reached(view: View, meter: Meter, after: int) -> int | None:
        found = reach(view, meter, after)
        if not after:
            return found
        then_us = View.at(view.tables, after).time_us
        return then_us if found is None else min(found, then_us)

    return reached


def events_reach(view: View, meter: Meter, after: int) -> int | None:
    """The same for a meter of events."""
    assert meter.source.event is not None
    first = view.first_fresh_event(meter.source.event, after)
    found = [] if first is None else [first]
    if after:
        found += _coverage(view, after, None, counts=False)
    return min(found, default=None)


def _samples(view: View, chosen: Subjects, polls: Polls | None, after: int) -> Iterator[int]:
    for row in view.fresh_samples(chosen.ids, after, ends=polls is None).to_pylist():
        # What was read at the full hour was used in the hour before.
        yield row["first_us"] - 1
        if row["previous_us"] is not None:
            yield row["previous_us"]
        elif polls is not None:
            yield from _beginning(chosen, polls, row["series_id"], row["first_us"])


def _definitions(view: View, before: Subjects, chosen: Subjects, polls: Polls | None) -> Iterator[int]:
    ids, since_us = reassigned(before, chosen)
    if since_us is None:
        return
    yield since_us
    if polls is None or since_us == EVER:
        return
    # What a counter shows at its first reading since then was added since the reading before.
    around = view.samples(ids, since_us, since_us)
    around = around.filter(pc.invert(pc.is_nan(around["value"])))
    seen: set[int] = set()
    for series_id, time_us in zip(around["series_id"].to_pylist(), around["time_us"].to_pylist(), strict=True):
        yield time_us - 1
        if series_id not in seen and time_us >= since_us:
            yield from _beginning(chosen, polls, series_id, time_us)
        seen.add(series_id)


def _coverage(view: View, after: int, sources: Collection[str] | None, counts: bool) -> Iterator[int]:
    """``sources`` None means all of them; with ``counts`` for what first samples count from, too."""
    then, now = Accounts(View.at(view.tables, after)), Accounts(view)
    for source in now.sources:
        new, old = now.expected(source), then.expected(source)
        if new is None or new == old or (sources is not None and source not in sources):
            continue
        if old is None or old[0] != new[0]:
            yield new[0]
        if old is not None and old[1] != new[1]:
            yield min(old[1], new[1])
    for row in _of(view.fresh_coverage(after), sources).to_pylist():
        if row["complete_us"] is None:
            continue
        yield row["complete_us"]
        if counts:
            # A series that was first seen after this interval counted from the one before it, or from its own start.
            yield row["watched_us"] if row["before_us"] is None else row["before_us"]


def _beginning(chosen: Subjects, polls: Polls, series_id: int, first_us: int) -> Iterator[int]:
    begin_us = beginning(chosen, polls, int(np.searchsorted(chosen.ids, series_id)), first_us)
    if begin_us is not None:
        yield begin_us


def _of(table: pa.Table, sources: Collection[str] | None) -> pa.Table:
    return table if sources is None else table.filter(pc.is_in(table["source"], pa.array(sorted(sources), pa.utf8())))
