"""How far back the news reaches: the earliest time whose metering may differ from what it was at an earlier position.

Booking and answering both rest on it. What lies before is settled by the entries that stand; what lies after is measured
again. So a time too early costs work, and a time too late would leave a wrong quantity in the book. There are six
kinds of news:

* a sample, which changes everything since the sample before it, or since its series began;
* a definition, by which a series has belonged to another tenant since some time;
* a reassignment, by which an operator says the same of series and events, or takes it back;
* an amendment of an event, which changes what follows from it, and from what it was before;
* a coverage record, which says that a source was observed, and may thereby say when a series began;
* silence, which only time tells: a source that is overdue was expected all the while.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.directory.meter import Meter
from ledger.journal import samples
from ledger.journal.view import View
from ledger.metering.increase import beginning
from ledger.metering.news import News, Reach, Reason
from ledger.metering.observation import Accounts, Polls
from ledger.metering.reassigning import Standing, reassignments_of
from ledger.metering.subjects import COUNTED, EVER, Key, Subjects, read_by, reassigned, subjects, told_by
from meterbook.wire.instants import LATEST_US


def series_reach(view: View, meter: Meter, after: int) -> list[News]:
    """How far back what came after a position reaches for a meter of series."""
    assert meter.source.metric is not None
    chosen, now = read_by(view, meter), reassignments_of(view)
    counts = meter.aggregation in COUNTED
    polls = Polls(view) if counts else None
    shares = meter.per is not None and not counts
    found = [News(time_us, "late") for time_us in _samples(view, chosen, polls, after, shares=shares)]
    if not after:
        return found
    found += _coverage(view, after, set(chosen.sources), counts)
    then, middle = reassignments_of(view, after), chosen
    changed, is_defined = now.changed(then), view.defined_until(meter.source.metric) > after
    if not changed and not is_defined:
        return found
    definitions = view.series(meter.source.metric)
    if changed:
        middle = subjects(definitions, meter, then)
        differing = reassigned(middle, chosen)
        for name, standing in changed.items():
            since = _about(definitions, standing, differing)
            found += [News(us, "reassignment", name) for us in _handed_over(view, since, chosen, polls, meter)]
    if is_defined:
        older = definitions.filter(pc.less_equal(definitions["position"], after))
        since = reassigned(subjects(older, meter, then), middle)
        found += [News(time_us, "late") for time_us in _handed_over(view, since, chosen, polls, meter)]
    return found


def held_reach(reach: Reach) -> Reach:
    """The same for what holds until something else is told: time alone adds to it."""

    def reached(view: View, meter: Meter, after: int) -> list[News]:
        found = [*reach(view, meter, after)]
        return [*found, News(view.then(after).time_us, "time")] if after else found

    return reached


def events_reach(view: View, meter: Meter, after: int) -> list[News]:
    """The same for a meter of events."""
    assert meter.source.event is not None
    first = view.first_fresh_event(meter.source.event, after)
    found = [] if first is None else [News(first, "late")]
    if view.is_amended:
        fresh = view.fresh_amendments(meter.source.event, after).to_pylist()
        found += [News(row["first_us"], "amendment", f"{row['source']} {row['id']}") for row in fresh]
    if not after:
        return found
    for name, standing in reassignments_of(view).changed(reassignments_of(view, after)).items():
        for each in standing:
            first = view.first_event(meter.source.event, each.rule.from_, each.start_us, min(each.end_us, LATEST_US))
            found += [] if first is None else [News(first, "reassignment", name)]
    return [*found, *_coverage(view, after, None, counts=False)]


def _samples(view: View, chosen: Subjects, polls: Polls | None, after: int, *, shares: bool) -> Iterator[int]:
    """``shares`` says that several series may tell of one resource, of which the markers of their ends say nothing."""
    fresh = samples.fresh(view, chosen.ids, after, ends=polls is None and not shares)
    if polls is not None:
        begun = fresh.filter(fresh["previous_us"].is_null())
        codes = np.searchsorted(chosen.ids, begun["series_id"].to_numpy()).tolist()
        polls.look_up([chosen.sources[code] for code in codes], begun["first_us"].to_pylist())
    for row in fresh.to_pylist():
        # What was read at the full hour was used in the hour before.
        yield row["first_us"] - 1
        if row["previous_us"] is not None:
            yield row["previous_us"]
        elif polls is not None:
            yield from _beginning(chosen, polls, row["series_id"], row["first_us"])
    if shares and after:
        yield from _followed(view, chosen, fresh)


def _followed(view: View, chosen: Subjects, fresh: pa.Table) -> Iterator[int]:
    """When resources were told of last, before series tell of them that did not before.

    What was the last that was told was held for nothing, and is held from now on until it is followed.
    """
    names = [chosen.names[place] for place in chosen.first[:-1].tolist()]
    first: dict[str, int] = {}
    joined: set[tuple[Key, str]] = set()
    for row in fresh.to_pylist():
        code = int(np.searchsorted(chosen.ids, row["series_id"]))
        history = chosen.history(code)
        if row["previous_us"] is None or len(history) > 1:
            first[names[code]] = min(first.get(names[code], row["first_us"]), row["first_us"])
            joined |= {(key, names[code]) for _, key in history}
    codes = [code for code, name in enumerate(names) if name in first]
    if not codes:
        return
    before = samples.before(view, chosen.ids[codes], np.array([first[names[code]] for code in codes], np.int64))
    times = before["time_us"].to_numpy()
    places = chosen.assignments(np.searchsorted(chosen.ids, before["series_id"].to_numpy()), times)
    last: dict[tuple[Key, str], int] = {}
    for place, time_us in zip(places.tolist(), times.tolist(), strict=True):
        resource = chosen.keys[place], chosen.names[place]
        if resource in joined:
            last[resource] = max(last.get(resource, time_us), time_us)
    yield from last.values()


def _about(definitions: pa.Table, standing: Collection[Standing], since: Mapping[int, int]) -> dict[int, int]:
    """Those series of ``since`` that a reassignment is about, in what it was or in what it is."""
    ids = pa.array(list(since), pa.int64())
    rows = definitions.filter(pc.is_in(definitions["series_id"], ids)).to_pylist()
    return {
        row["series_id"]: since[row["series_id"]]
        for row in rows
        for names in [told_by(row["attributes"], row["labels"])]
        if any(each.rule.matches(row["tenant"], row["source"], names) for each in standing)
    }


def _handed_over(
    view: View, since: Mapping[int, int], chosen: Subjects, polls: Polls | None, meter: Meter
) -> Iterator[int]:
    """How far back it reaches that series belong to others since some times."""
    if not since:
        return
    since_us = min(since.values())
    yield since_us
    if since_us == EVER or (polls is None and meter.per is None):
        return
    ids = np.array(sorted(since), np.int64)
    if polls is None:
        # Whatever told of the resource last before that was, or is now, followed by another reading.
        names = {chosen.names[place] for place in chosen.first[np.searchsorted(chosen.ids, ids)].tolist()}
        ids = chosen.ids[[chosen.names[place] in names for place in chosen.first[:-1].tolist()]]
    # What a counter shows at its first reading since then was added since the reading before.
    around = samples.near(view, ids, since_us, since_us)
    around = around.filter(pc.invert(pc.is_nan(around["value"])))
    seen: set[int] = set()
    for series_id, time_us in zip(around["series_id"].to_pylist(), around["time_us"].to_pylist(), strict=True):
        yield time_us - 1
        if polls is not None and series_id not in seen and time_us >= since_us:
            yield from _beginning(chosen, polls, series_id, time_us)
        seen.add(series_id)


def _coverage(view: View, after: int, sources: Collection[str] | None, counts: bool) -> list[News]:
    """``sources`` None means all of them; with ``counts`` for what first samples count from, too."""
    # Where nobody has told anything it is silence.
    reason: Reason = "late" if view.fresh_coverage(after).num_rows else "time"
    return [News(time_us, reason) for time_us in _observed(view, after, sources, counts)]


def _observed(view: View, after: int, sources: Collection[str] | None, counts: bool) -> Iterator[int]:
    then, now = Accounts(view.then(after)), Accounts(view)
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
