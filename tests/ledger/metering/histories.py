"""Histories for hypothesis: what several agents send of several sources, in any order, with everything going wrong.

A history is a list of steps: batches, bookings and new versions of meters. Played into a journal it gives the rows for
the reference as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any

from hypothesis import strategies as st

from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.journal.quantity import from_decimal
from ledger.metering.booking import Booker
from ledger.metering.usage import Usage
from meterbook.wire import instants
from meterbook.wire.sections import SCHEMAS, STALE
from tests.fakes.journal import MemoryJournal
from tests.ledger.batches import content
from tests.ledger.metering.readings import HOUR, Accepted
from tests.ledger.metering.reference import Cells, measured

#: The histories happen in these hours, some time ago; no booked hour depends on the real clock. A day begins in them in
#: Berlin (after two hours), in UTC, and in St. John's (after six and a half).
HOURS = 7
BASE = instants.parse("2026-03-01T21:00:00Z")
END = BASE + HOURS * HOUR
SOURCES, AGENTS, TENANTS = ("kube/a", "kube/b"), ("one", "two"), ("acme", "blue", "@shared")
#: Series by number: source, metric, kind, code, pod.
SERIES = (
    ("kube/a", "requests", "counter", "200", "p"),
    ("kube/a", "requests", "counter", "500", "p"),
    ("kube/b", "requests", "counter", "200", "q"),
    ("kube/a", "memory", "gauge", "200", "p"),
    ("kube/b", "memory", "gauge", "200", "q"),
    ("kube/b", "memory", "gauge", "500", "p"),
)
METERS = {
    "memory": "{source: {metric: memory}, aggregation: integral, unit: byte-seconds, max_gap_s: 1800}",
    "requests": "{source: {metric: requests}, aggregation: increase, unit: requests, group_by: [pod], max_gap_s: 1200}",
    "revenue": "{source: {event: sale}, aggregation: sum, unit: EUR}",
    "sales": "{source: {event: sale}, aggregation: count, unit: sales, group_by: [size], filter: {shop: [x, y]}}",
}
CHANGED = {
    "memory": ("{source: {metric: memory}, aggregation: integral, unit: byte-seconds, max_gap_s: 60}",),
    "requests": (
        "{source: {metric: requests}, aggregation: increase, unit: requests, filter: {code: '200'}}",
        "{source: {metric: nothing}, aggregation: increase, unit: requests}",
        "{source: {event: sale}, aggregation: count, unit: requests}",
    ),
    "revenue": ("{source: {event: nothing}, aggregation: sum, unit: EUR}",),
    "sales": ("{source: {event: sale}, aggregation: count, unit: sales}",),
}
_BERLIN, _ST_JOHNS = "zone: Europe/Berlin", "zone: America/St_Johns"
_OF_COUNTERS = {
    "rate": "aggregation: rate, window: minute, max_gap_s: 1200",
    "rate of a day": f"aggregation: rate, window: {{unit: day, {_BERLIN}}}, max_gap_s: 1200, group_by: [code]",
    "increase of a month": f"aggregation: increase, window: {{unit: month, {_BERLIN}, anchor: 2}}",
    "increase of an odd day": f"aggregation: increase, window: {{unit: day, {_ST_JOHNS}}}",
    "peak hour": "aggregation: increase, window: day, buckets: {unit: hour, combine: max}",
    "peak rate": (
        f"aggregation: rate, window: {{unit: day, {_BERLIN}}}, rounding: {{digits: 3, mode: up}},"
        " buckets: {unit: minute, minutes: 20, combine: percentile, percentile: 90, empty: zero, of: resource}"
    ),
}
_OF_GAUGES = {
    "memory of a day": f"aggregation: integral, window: {{unit: day, {_ST_JOHNS}}}, max_gap_s: 1800",
    "average": f"aggregation: average, window: {{unit: day, {_BERLIN}}}, rounding: {{digits: 3, mode: half_up}}",
    "average hour": "aggregation: average, max_gap_s: 1800, group_by: [pod]",
    "active": "aggregation: active, max_gap_s: 1800, filter: {pod: {not: q}}",
    "min": "aggregation: min, per: [pod], rounding: {digits: 0, mode: up}",
    "max": f"aggregation: max, per: [pod], group_by: [code], window: {{unit: day, {_BERLIN}}}",
    "mean": f"aggregation: mean, window: {{unit: month, {_BERLIN}, anchor: 2}}, per: []",
    "percentile": f"aggregation: percentile, percentile: 75, per: [pod], window: {{unit: day, {_ST_JOHNS}}}",
    "latest": "aggregation: latest, per: [pod], rounding: {digits: -1, mode: half_even}",
    "known": "aggregation: last_known",
    "known of a day": f"aggregation: last_known, per: [pod], window: {{unit: day, {_BERLIN}}}, any: [{{code: '200'}}, {{pod: q}}]",
    "pods": "aggregation: unique, of: pod, window: day",
    "pods about": "aggregation: unique, of: pod, approximate: true, window: day",
    "busiest": "aggregation: max, window: week, per: [pod], buckets: {unit: hour, combine: max}",
    "sum of peaks": "aggregation: max, window: day, per: [pod], buckets: {unit: hour, combine: max, of: resource}",
    "quietest": f"aggregation: integral, window: {{unit: day, {_BERLIN}}}, buckets: {{unit: hour, combine: min, empty: zero}}",
    "odd peaks": f"aggregation: max, window: {{unit: day, {_ST_JOHNS}}}, buckets: {{unit: hour, combine: max, of: resource}}",
    "odd averages": (
        f"aggregation: integral, window: {{unit: day, {_ST_JOHNS}}}, max_gap_s: 1800,"
        " buckets: {unit: minute, minutes: 20, combine: average, empty: zero}"
    ),
    "pods of the hours": "aggregation: unique, of: pod, window: day, buckets: {unit: hour, combine: average}",
    "known in hours": "aggregation: last_known, window: month, buckets: {unit: hour, combine: sum}, per: [pod]",
    "mean of days": f"aggregation: mean, window: {{unit: month, {_ST_JOHNS}, anchor: 2}}, buckets: {{unit: day, combine: average}}",
}
_OF_EVENTS = {
    "weighed": "aggregation: sum, value: 'max(value, -1) * weight', group_by: [shop], rounding: {digits: 2, mode: down}",
    "sales of a day": f"aggregation: count, window: {{unit: day, {_ST_JOHNS}}}, filter: {{weight: {{at_least: 2}}}}",
    "total": "aggregation: total, group_by: [shop]",
    "total of a month": f"aggregation: total, window: {{unit: month, {_BERLIN}, anchor: 2}}, value: value / 3, per: [size]",
    "seats": "aggregation: integral, changes: true, per: [shop]",
    "states": f"aggregation: average, per: [shop], window: {{unit: day, {_BERLIN}}}",
    "running": "aggregation: active, changes: true, group_by: [size], window: minute",
    "active shops": f"aggregation: active, per: [shop], window: {{unit: day, {_ST_JOHNS}}}",
    "least change": "aggregation: min, per: [shop]",
    "most seats": "aggregation: max, changes: true, window: day",
    "mean sale": f"aggregation: mean, window: {{unit: quarter, {_BERLIN}, anchor: 2}}, filter: {{shop: {{exists: true}}}}",
    "median": "aggregation: percentile, percentile: 50, window: day, group_by: [size]",
    "latest sale": f"aggregation: latest, window: {{unit: day, {_BERLIN}}}, per: [shop]",
    "last sale": "aggregation: last_known, per: [shop], value: weight - value",
    "last seats": f"aggregation: last_known, changes: true, window: {{unit: day, {_BERLIN}}}",
    "shops": "aggregation: unique, of: shop, group_by: [size]",
    "shops about": f"aggregation: unique, of: shop, approximate: true, group_by: [size], window: {{unit: day, {_BERLIN}}}",
    "shops at once": f"aggregation: unique, of: shop, window: {{unit: day, {_BERLIN}}}, buckets: {{unit: hour, combine: max}}",
    "sales an hour": f"aggregation: count, window: {{unit: day, {_BERLIN}}}, buckets: {{unit: hour, combine: average, empty: zero}}",
    "odd hours": f"aggregation: count, window: {{unit: day, {_ST_JOHNS}}}, buckets: {{unit: hour, combine: max, empty: zero}}",
    "odd seats": f"aggregation: integral, changes: true, window: {{unit: day, {_ST_JOHNS}}}, buckets: {{unit: hour, combine: min}}",
    "seats at once": (
        "aggregation: average, changes: true, per: [shop], window: day, buckets: {unit: hour, combine: max, of: resource}"
    ),
    "stored": "aggregation: total, window: day, buckets: {unit: hour, combine: percentile, percentile: 95}",
}
#: Every way to make a quantity, by the words of its definition.
MADE = {
    name: f"{{source: {source}, unit: each, {rest}}}"
    for source, each in (
        ("{metric: requests}", _OF_COUNTERS),
        ("{metric: memory}", _OF_GAUGES),
        ("{event: sale}", _OF_EVENTS),
    )
    for name, rest in each.items()
}


@dataclass(frozen=True)
class Batch:
    """What an agent sends: rows by section, and how much later than the step before it comes."""

    agent: str
    rows: dict[str, list[tuple[Any, ...]]]
    later: int


@dataclass(frozen=True)
class Booking:
    """A booking of what closed before; None for all of it."""

    closed: int | None


@dataclass(frozen=True)
class Redefinition:
    """Another version of a meter, from a date or (0) for ever."""

    name: str
    spec: str
    since: int


Step = Batch | Booking | Redefinition

MOMENTS = st.one_of(
    st.integers(0, 6 * HOURS).map(lambda tens: BASE + tens * HOUR // 6),
    st.integers(0, HOURS).map(lambda hours: BASE + hours * HOUR),
    st.integers(BASE, END),
)
VALUES = st.one_of(
    st.integers(0, 50).map(float),
    st.floats(0, 10),
    st.sampled_from([1e15 + 0.1, 0.1, 5e-10, 1.5e-9, 2.0**61, float(2**62 - 512), 0.0000000004999]),
)
_LATER = st.sampled_from([0, 1, HOUR // 60, HOUR, 24 * HOUR])
_STATUSES = st.sampled_from(["complete", "complete", "complete", "partial", "failed", "lost"])
_SIGNED = st.tuples(VALUES, st.sampled_from([1.0, 1.0, -1.0])).map(lambda pair: pair[0] * pair[1])
_MONEY = st.integers(-(10**12), 10**12).map(lambda unscaled: Decimal(unscaled).scaleb(-9))
_PROPERTIES = (
    "{}",
    '{"shop":"x"}',
    '{"shop":"x","size":"s","weight":"2.5"}',
    '{"shop":"y","size":"xl","weight":"0.000000003"}',
    '{"shop":"z","size":"s","weight":"heavy"}',
)


def series_row(number: int, tenant: str, since: int, start: int | None) -> tuple[Any, ...]:
    source, metric, kind, code, pod = SERIES[number]
    labels, attributes = f'{{"code":"{code}"}}', f'{{"pod":"{pod}"}}'
    return (number, number * 7, source, metric, kind, "", labels, attributes, start, tenant, since)


@st.composite
def batches(draw: st.DrawFn, numbers: list[int], starts: tuple[int | None, ...], known: set[int]) -> Batch:
    """A batch of some of the series; ``known`` are those that were defined before, and grows."""
    samples, events, coverage, series = [], [], [], []
    for number in draw(st.lists(st.sampled_from(numbers), max_size=3)):
        # Now and then a series ends, and goes on.
        value = st.one_of(*[_SIGNED if SERIES[number][2] == "gauge" else VALUES] * 4, st.just(STALE))
        samples += [(number, at, draw(value)) for at in draw(st.lists(MOMENTS, min_size=1, max_size=4))]
        if draw(st.integers(0, 3)) == 0:
            samples.append((number, samples[-1][1] - draw(st.integers(1, 3)), STALE))
        if number not in known or draw(st.integers(0, 4)) == 0:
            series.append(series_row(number, draw(st.sampled_from(TENANTS)), draw(MOMENTS), starts[number]))
            known.add(number)
    for _ in range(draw(st.integers(0, 3))):
        names = draw(st.sampled_from(_PROPERTIES))
        kind, ident = draw(st.sampled_from(["sale", "sale", "visit"])), draw(st.sampled_from("abcdef"))
        whose, origin = draw(st.sampled_from(TENANTS)), draw(st.sampled_from(SOURCES))
        events.append((origin, "shop", ident, kind, "", whose, draw(MOMENTS), draw(_MONEY), names))
    for _ in range(draw(st.integers(0, 3))):
        source = draw(st.sampled_from(SOURCES))
        start, end = sorted((draw(MOMENTS), draw(MOMENTS)))
        coverage.append((source, start, end, draw(_STATUSES), ""))
    rows = {
        "series": sorted(series, key=lambda row: (row[0], row[9])),
        "samples": sorted(samples, key=lambda row: (*row[:2], math.isnan(row[2]), row[2])),
        "events": sorted(events, key=lambda row: (row[6], row[3], row[5], row[0], row[7], row[8])),
        "coverage": coverage,
    }
    return Batch(draw(st.sampled_from(AGENTS)), rows, draw(_LATER))


@st.composite
def histories(draw: st.DrawFn, *, booked: bool) -> list[Step]:
    """Batches; where ``booked``, with bookings and redefinitions between them."""
    starts = tuple(draw(st.none() | MOMENTS) if each[2] == "counter" else None for each in SERIES)
    # Few series, so that steps meet each other.
    numbers = draw(st.lists(st.integers(0, len(SERIES) - 1), unique=True, min_size=1, max_size=3))
    known: set[int] = set()
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 10))):
        kind = draw(st.integers(0, 9)) if booked else 9
        if kind < 4:
            hours = draw(st.none() | st.integers(0, HOURS + 1))
            steps.append(Booking(None if hours is None else BASE + hours * HOUR))
        elif kind == 4:
            name = draw(st.sampled_from(sorted(CHANGED)))
            spec = draw(st.sampled_from([*CHANGED[name], METERS[name]]))
            since = draw(st.sampled_from([0, BASE + 2 * HOUR, BASE + 2 * HOUR + 1, BASE + 5 * HOUR // 2]))
            steps.append(Redefinition(name, spec, since))
        else:
            steps.append(draw(batches(numbers, starts, known)))
    return steps


@dataclass
class Player:
    """Plays steps into a journal and keeps the rows for the reference."""

    journal: MemoryJournal
    meters: Mapping[str, str] = field(default_factory=lambda: METERS)
    accepted: Accepted = field(default_factory=Accepted)
    versions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.journal.now_us = END
        texts = (f"kind: meter\nname: {name}\nspec: {spec}\n" for name, spec in self.meters.items())
        self.journal.define("---\n".join(texts))
        self.versions = dict.fromkeys(self.meters, 1)
        self.booker = Booker(self.journal)  # type: ignore[arg-type]

    def play(self, step: Step) -> None:
        if isinstance(step, Batch):
            self.send(step)
        elif isinstance(step, Booking):
            self.booker.book(step.closed)
        else:
            self.versions[step.name] += 1
            since = f"effective_from: {instants.text(step.since)}\n" if step.since else ""
            text = f"kind: meter\nname: {step.name}\n{since}spec: {step.spec}\n"
            self.journal.define(text, {step.name: self.versions[step.name]})

    def send(self, batch: Batch) -> None:
        self.journal.now_us += batch.later
        self.journal.send(batch.agent, content(**batch.rows))
        for section, rows in batch.rows.items():
            names = SCHEMAS[section].names
            getattr(self.accepted, section).extend(
                {"agent": batch.agent, **dict(zip(names, row, strict=True))} for row in rows
            )

    def expected(self) -> dict[str, Cells]:
        """What the reference measures now, by meter, each hour by the version that holds when it begins."""
        view = self.journal.view()
        catalog = catalog_of(view)
        return {name: _by_version(self.accepted, catalog, name, view.time_us) for name in catalog.names("meter")}


def _by_version(accepted: Accepted, catalog: Catalog, name: str, now: int) -> Cells:
    found: Cells = {}
    for version in catalog.versions("meter", name):
        assert isinstance(version.spec, Meter)
        for cell, amounts in measured(accepted, version.spec, now).items():
            if catalog.get("meter", name, cell[2]) == version:
                found[cell] = amounts
    return found


def summed(expected: dict[str, Cells], start: int, end: int, window: int | None) -> dict[tuple[Any, ...], Any]:
    """Cells of hours in [start, end) added up by window; what adds up to nothing is left out."""
    keyed = [
        ((name, tenant, dimensions, None if window is None else hour // window * window), amounts)
        for name, cells in expected.items()
        for (tenant, dimensions, hour), amounts in cells.items()
        if start <= hour < end
    ]
    keyed.sort(key=lambda pair: repr(pair[0]))
    sums = {key: _total(amounts for _, amounts in group) for key, group in groupby(keyed, key=lambda pair: pair[0])}
    return {key: amounts for key, amounts in sums.items() if any(amounts)}


def _total(amounts: Iterable[tuple[int, int, int, int]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*amounts, strict=True)))


def answered(rows: Iterable[Usage]) -> dict[tuple[Any, ...], Any]:
    """Rows of an answer in the form of :func:`summed`."""
    return {
        (row.meter, row.tenant, row.dimensions, row.window_us): (
            from_decimal(row.quantity),
            from_decimal(row.estimated),
            row.observed_us,
            row.expected_us,
        )
        for row in rows
    }
