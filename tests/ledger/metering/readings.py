"""What rows told, read one by one in plain Python: amounts at times, values at moments, and who was watching.

It is the lower half of ``reference``: whose a row is, what it says, and how much of the time its source was observed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ledger.directory.meter import Meter

MINUTE, HOUR = 60_000_000, 3_600_000_000
SECOND = 1_000_000
NANO = 10**9


@dataclass
class Accepted:
    """Rows of all batches so far; every row is a dict of its section's columns, with times in microseconds."""

    series: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    coverage: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Resource:
    """Something that has one value at a time: whose, under which dimensions, and which of these."""

    tenant: str
    dimensions: str
    name: str


@dataclass(frozen=True)
class Addend:
    """So many nano-units (or a fraction of them) of one step. What has the same ``owner`` and step is rounded together."""

    owner: object
    resource: Resource
    source: str
    step: int
    amount: Fraction
    estimated: bool = False


@dataclass(frozen=True)
class Point:
    """A value in nano-units at a moment. What tells of the same is one ``thread``; ``order`` is that of the same moment."""

    time: int
    value: int
    resource: Resource
    source: str
    thread: object
    order: Any


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


def spans_of(accepted: Accepted, meter: Meter, step: int) -> Iterator[Addend]:
    """What counters added, or gauges were for how long, by the step."""
    max_gap = meter.max_gap_s * SECOND
    for row, values, history in _series(accepted, meter):
        times = sorted(values)
        if _is_counted(meter):
            spans = _added(accepted, row, times, values, max_gap, step)
        else:
            is_active = meter.aggregation == "active"
            shown = {
                at: float(value != 0) if is_active and not math.isnan(value) else value for at, value in values.items()
            }
            spans = _held(times, shown, max_gap, step)
        for at, start, amount, is_estimated in spans:
            number = _in_force(history, at)
            yield Addend((row["series_id"], number), history[number][1], row["source"], start, amount, is_estimated)


def samples_of(accepted: Accepted, meter: Meter) -> Iterator[Point]:
    """What gauges were, at moments."""
    for row, values, history in _series(accepted, meter):
        for at, value in values.items():
            if not math.isnan(value):
                resource, amount = history[_in_force(history, at)][1], nano(value)
                yield Point(at, amount, resource, row["source"], row["series_id"], (amount, row["source"]))


def events_of(accepted: Accepted, meter: Meter) -> Iterator[Point]:
    """What events say, at moments: each (source, id) as it was accepted first."""
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for row in accepted.events:
        first.setdefault((row["source"], row["id"]), row)
    for ident, row in first.items():
        found = resource_of(meter, row["tenant"], "", row["properties"])
        if row["type"] != meter.source.event or found is None:
            continue
        amount = _counting_for(meter, row)
        if amount is not None:
            yield Point(row["time"], amount, found, row["origin"], found, ident)


def _counting_for(meter: Meter, row: dict[str, Any]) -> int | None:
    """Nano-units of an event; None where there is no value, or one that the book cannot hold."""
    if meter.value is None:
        return int(row["value"].scaleb(9))
    numbers: dict[str, Any] = {"__builtins__": {}, "max": max, "min": min, "value": Fraction(row["value"])}
    for name, text in json.loads(row["properties"]).items():
        try:
            numbers[name] = Fraction(text)
        except ValueError:
            continue
    try:
        amount = round(eval(meter.value, numbers) * NANO)
    except (NameError, ZeroDivisionError):
        return None
    return amount if abs(amount) < 2**62 * NANO else None


def resource_of(meter: Meter, tenant: str, alone: str, *documents: str) -> Resource | None:
    """What something is of, by its labels or properties; None where the meter does not want it."""
    names: dict[str, str] = {}
    for document in documents:
        names |= json.loads(document)
    written = meter.model_dump(mode="json")
    if not _all_hold(written["filter"], names):
        return None
    if written["any"] and not any(_all_hold(each, names) for each in written["any"]):
        return None
    of = alone if meter.per is None else _kept(meter.per, names)
    return Resource(tenant, _kept(meter.group_by, names), of)


def _kept(wanted: tuple[str, ...], names: dict[str, str]) -> str:
    kept = {name: names[name] for name in wanted if name in names}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _all_hold(matchers: dict[str, Any], names: dict[str, str]) -> bool:
    return all(_holds(wanted, names.get(name)) for name, wanted in matchers.items())


def _holds(wanted: Any, value: str | None) -> bool:
    if isinstance(wanted, list):
        return value in wanted
    assert wanted.keys() <= {"not", "exists", "at_least"}, (
        "the reference knows no more matchers than the histories need"
    )
    if value is None:
        return wanted.get("exists") is False or wanted.keys() == {"not"}
    number = Fraction(value) if value.replace(".", "").isdigit() else None
    return (
        wanted.get("exists") is not False
        and value not in wanted.get("not", [])
        and ("at_least" not in wanted or (number is not None and number >= Fraction(wanted["at_least"])))
    )


def _is_counted(meter: Meter) -> bool:
    return meter.aggregation in ("increase", "rate")


def _series(
    accepted: Accepted, meter: Meter
) -> Iterator[tuple[dict[str, Any], dict[int, float], list[tuple[int, Resource]]]]:
    """A row of each series of the meter, its values by time, and whose it was since when."""
    kind = "counter" if _is_counted(meter) else "gauge"
    for series_id in sorted({row["series_id"] for row in accepted.series if row["metric"] == meter.source.metric}):
        rows = [row for row in accepted.series if row["series_id"] == series_id]
        documents = rows[0]["attributes"], rows[0]["labels"]
        if rows[0]["kind"] != kind or resource_of(meter, "", "", *documents) is None:
            continue
        values: dict[int, float] = {}
        # Of one instant the first accepted, and a marker only where there is nothing else.
        for row in sorted(accepted.samples, key=lambda row: math.isnan(row["value"])):
            if row["series_id"] == series_id and not (kind == "counter" and math.isnan(row["value"])):
                values.setdefault(row["time"], row["value"])
        owners = [
            (since, resource_of(meter, tenant, str(series_id), *documents)) for since, tenant in _assignments(rows)
        ]
        yield rows[0], values, [(since, owner) for since, owner in owners if owner is not None]


def _in_force(history: list[tuple[int, Resource]], at: int) -> int:
    return max((number for number, (since, _) in enumerate(history) if since <= at), default=0)


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
    accepted: Accepted, row: dict[str, Any], times: list[int], values: dict[int, float], max_gap: int, step: int
) -> Iterator[tuple[int, int, Fraction, bool]]:
    """(time that decides the owner, step, nano-units, estimated) of a counter."""
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
        for start, part in divided(begin, time, amount, step):
            yield time, start, Fraction(part), time - begin > max_gap


def divided(begin: int, end: int, amount: int, step: int) -> Iterator[tuple[int, int]]:
    """An amount divided among steps in proportion: each gets what the running total, cut off, grows by."""
    if begin == end:
        yield (end - 1) // step * step, amount
        return
    given = 0
    for start in range(begin // step * step, end, step):
        total = Fraction(amount * (min(start + step, end) - begin), end - begin).__floor__()
        yield start, total - given
        given = total


def _beginning(accepted: Accepted, row: dict[str, Any], first: int) -> int | None:
    records = [each for each in accepted.coverage if each["source"] == row["source"]]
    seen_before = [each["end"] for each in records if each["status"] == "complete" and each["end"] < first]
    began = row["start"]
    is_known = began is not None and bool(records) and min(each["start"] for each in records) <= began <= first
    candidates = ([began] if is_known else []) + ([max(seen_before)] if seen_before else [])
    return max(candidates, default=None)


def _held(
    times: list[int], values: dict[int, float], max_gap: int, step: int
) -> Iterator[tuple[int, int, Fraction, bool]]:
    for begin, following in pairwise(times):
        if not math.isnan(values[begin]):
            for start, amount in lasting(nano(values[begin]), begin, min(following, begin + max_gap), step):
                yield begin, start, amount, False


def lasting(value: int, begin: int, end: int, step: int) -> Iterator[tuple[int, Fraction]]:
    """Value x seconds by the step."""
    for start in range(begin // step * step, end, step):
        yield start, Fraction(value * (min(end, start + step) - max(begin, start)), SECOND)
