"""Metering said again, row by row, in plain Python: slow, obvious, and independent of what it is compared with.

It takes the rows that agents sent, in the order in which they were accepted, and gives what a meter measures in every
hour. Nothing is shared with the ledger but the documents of the meters.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ledger.directory.meter import Meter

HOUR = 3_600_000_000
SECOND = 1_000_000
NANO = 10**9

#: (tenant, dimensions, hour) -> quantity, estimated (nano-units), observed, expected (microseconds).
Cells = dict[tuple[str, str, int], tuple[int, int, int, int]]


@dataclass
class Accepted:
    """Rows of all batches so far; every row is a dict of its section's columns, with times in microseconds."""

    series: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    coverage: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """One addend: so many nano-units (or a fraction of them) of one hour, to one tenant, from one source."""

    owner: tuple[int, int]  # series and assignment
    tenant: str
    dimensions: str
    source: str
    hour: int
    amount: Fraction
    estimated: bool = False


def measured(accepted: Accepted, meter: Meter, now: int) -> Cells:
    """All cells of a meter, when the clock of the book says ``now``."""
    parts = [*_events(accepted, meter), *_spans(accepted, meter)]
    quantities: dict[Any, int] = defaultdict(int)
    estimates: dict[Any, int] = defaultdict(int)
    sources: dict[Any, set[str]] = defaultdict(set)
    rounded: dict[Any, Fraction] = defaultdict(Fraction)
    for part in parts:
        rounded[part.owner, part.tenant, part.dimensions, part.hour, part.estimated] += part.amount
        sources[part.tenant, part.dimensions, part.hour].add(part.source)
    for (_, tenant, dimensions, hour, is_estimated), amount in rounded.items():
        whole = round(amount)  # half-even
        quantities[tenant, dimensions, hour] += whole
        estimates[tenant, dimensions, hour] += whole if is_estimated else 0
    cells: Cells = {}
    for cell, behind in sources.items():
        seen = [coverage(accepted, source, cell[2], cell[2] + HOUR, now) for source in behind]
        cells[cell] = (quantities[cell], estimates[cell], sum(o for o, _ in seen), sum(e for _, e in seen))
    return cells


def coverage(accepted: Accepted, source: str, start: int, end: int, now: int) -> tuple[int, int]:
    """Observed and expected microseconds of a source in [start, end)."""
    records = [row for row in accepted.coverage if row["source"] == source]
    if not records:
        return 0, 0
    first, last = min(row["start"] for row in records), max(row["end"] for row in records)
    newest = [row for row in records if row["end"] == last]
    agent = max(row["agent"] for row in newest)
    patience = max(3 * max(row["end"] - row["start"] for row in newest), 60 * SECOND)
    # Of the agent only what it was the last to account for tells that it is alive.
    others = {row["source"] for row in accepted.coverage}
    heard = max(end for each in others for end in [_account(accepted, each)] if _agent(accepted, each) == agent)
    retired = heard > last + patience
    until = last if retired or now <= last + patience else now
    start, end = max(start, first), min(end, until)
    if start >= end:
        return 0, 0
    seen = sorted((max(row["start"], start), min(row["end"], end)) for row in records if row["status"] == "complete")
    observed, reached = 0, start
    for begin, finish in seen:
        observed += max(0, finish - max(begin, reached))
        reached = max(reached, finish)
    return observed, end - start


def _account(accepted: Accepted, source: str) -> int:
    return max(row["end"] for row in accepted.coverage if row["source"] == source)


def _agent(accepted: Accepted, source: str) -> str:
    last = _account(accepted, source)
    return max(row["agent"] for row in accepted.coverage if row["source"] == source and row["end"] == last)


def nano(value: float) -> int:
    """A sample in nano-units, to the nearest, of two equally near ones the even one."""
    return round(Fraction(value) * NANO)


def _spans(accepted: Accepted, meter: Meter) -> Iterator[Part]:
    if meter.source.metric is None:
        return
    kind = "counter" if meter.aggregation == "increase" else "gauge"
    for series_id in sorted({row["series_id"] for row in accepted.series if row["metric"] == meter.source.metric}):
        rows = [row for row in accepted.series if row["series_id"] == series_id]
        dimensions = _dimensions(meter, rows[0]["attributes"], rows[0]["labels"])
        if rows[0]["kind"] != kind or dimensions is None:
            continue
        values: dict[int, float] = {}
        # Of one instant the first accepted, and a marker only where there is nothing else.
        for row in sorted(accepted.samples, key=lambda row: math.isnan(row["value"])):
            if row["series_id"] == series_id and not (kind == "counter" and math.isnan(row["value"])):
                values.setdefault(row["time"], row["value"])
        history = _assignments(rows)
        times = sorted(values)
        if kind == "gauge":
            spans = _held(times, values, meter.max_gap_s * SECOND)
        else:
            spans = _added(accepted, rows[0], times, values, meter.max_gap_s * SECOND)
        for at, hour, amount, is_estimated in spans:
            number = max((n for n, (since, _) in enumerate(history) if since <= at), default=0)
            yield Part(
                (series_id, number), history[number][1], dimensions, rows[0]["source"], hour, amount, is_estimated
            )


def _assignments(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Since when a series has belonged to whom: the last word for each time, and only where it changes."""
    told: dict[int, str] = {}
    for row in rows:
        told[row["since"]] = row["tenant"]
    history: list[tuple[int, str]] = []
    for since in sorted(told):
        if not history or history[-1][1] != told[since]:
            history.append((since, told[since]))
    return history


def _added(
    accepted: Accepted, row: dict[str, Any], times: list[int], values: dict[int, float], max_gap: int
) -> Iterator[tuple[int, int, Fraction, bool]]:
    """(time that decides the owner, hour, nano-units, estimated) of a counter."""
    own = [each for each in accepted.samples if each["series_id"] == row["series_id"]]
    marked = {(each["time"], each["agent"]) for each in own if math.isnan(each["value"])}
    given = {(each["time"], each["agent"]) for each in own if not math.isnan(each["value"])}
    for place, time in enumerate(times):
        # A marker says what one reader knows: another that gave the sample without one knows better.
        readers = {agent for at, agent in given if at == time}
        is_vouched = any(not {(time - 1, agent), (time - 2, agent)} & marked for agent in readers)
        ends = set() if is_vouched else {at for at, _ in marked}
        if time - 2 in ends:
            continue
        if place == 0:
            begin = None if time - 1 in ends else _beginning(accepted, row, time)
            amount = nano(values[time])
            if begin is None:
                continue
        else:
            begin = times[place - 1]
            fell = values[time] < values[begin]
            amount = nano(values[time]) if fell else nano(values[time]) - nano(values[begin])
        for hour, part in divided(begin, time, amount):
            yield time, hour, Fraction(part), time - begin > max_gap


def divided(begin: int, end: int, amount: int) -> Iterator[tuple[int, int]]:
    """An amount divided among the hours in proportion: each hour gets what the running total, cut off, grows by."""
    if begin == end:
        yield (end - 1) // HOUR * HOUR, amount
        return
    given = 0
    for hour in range(begin // HOUR * HOUR, end, HOUR):
        total = Fraction(amount * (min(hour + HOUR, end) - begin), end - begin).__floor__()
        yield hour, total - given
        given = total


def _beginning(accepted: Accepted, row: dict[str, Any], first: int) -> int | None:
    records = [each for each in accepted.coverage if each["source"] == row["source"]]
    seen_before = [each["end"] for each in records if each["status"] == "complete" and each["end"] < first]
    began = row["start"]
    is_known = began is not None and bool(records) and min(each["start"] for each in records) <= began <= first
    candidates = ([began] if is_known else []) + ([max(seen_before)] if seen_before else [])
    return max(candidates, default=None)


def _held(times: list[int], values: dict[int, float], max_gap: int) -> Iterator[tuple[int, int, Fraction, bool]]:
    for begin, following in pairwise(times):
        if math.isnan(values[begin]):
            continue
        end = min(following, begin + max_gap)
        for hour in range(begin // HOUR * HOUR, end, HOUR):
            length = min(end, hour + HOUR) - max(begin, hour)
            yield begin, hour, Fraction(nano(values[begin]) * length, SECOND), False


def _events(accepted: Accepted, meter: Meter) -> Iterator[Part]:
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for row in accepted.events:
        first.setdefault((row["source"], row["id"]), row)
    for row in first.values():
        dimensions = _dimensions(meter, row["properties"])
        if row["type"] != meter.source.event or dimensions is None:
            continue
        amount = Fraction(row["value"]) * NANO if meter.aggregation == "sum" else Fraction(NANO)
        yield Part((0, 0), row["tenant"], dimensions, row["origin"], row["time"] // HOUR * HOUR, amount)


def _dimensions(meter: Meter, *documents: str) -> str | None:
    names: dict[str, str] = {}
    for document in documents:
        names |= json.loads(document)
    for name, accepted in meter.filter.items():
        if names.get(name) not in accepted:
            return None
    kept = {name: names[name] for name in meter.group_by if name in names}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
