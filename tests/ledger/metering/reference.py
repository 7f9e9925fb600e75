"""Metering said again, row by row, in plain Python: slow, obvious, and independent of what it is compared with.

It takes the rows that agents sent, in the order in which they were accepted, and gives what a meter measures in every
window. Nothing is shared with the ledger but the documents of the meters. What single rows say is read in ``readings``.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Context, Decimal
from fractions import Fraction
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from ledger.directory.making import Buckets
from ledger.directory.meter import Meter
from tests.ledger.metering.readings import (
    HOUR,
    MINUTE,
    NANO,
    SECOND,
    Accepted,
    Addend,
    Point,
    Resource,
    coverage,
    events_of,
    lasting,
    samples_of,
    spans_of,
)

#: (tenant, dimensions, start of the window) -> quantity, estimated (nano-units), observed, expected (microseconds).
Cells = dict[tuple[str, str, int], tuple[int, int, int, int]]
#: Start and end of the window that holds a time.
Tiling = Callable[[int], tuple[int, int]]
#: Quantity and estimated part, in nano-units.
Pair = tuple[int, int]
#: By resource and start of the window: how much, and who told of it.
Amounts = dict[tuple[Resource, int], tuple[Pair, set[str]]]

_MODES = {"half_even": ROUND_HALF_EVEN, "half_up": ROUND_HALF_UP, "up": ROUND_UP, "down": ROUND_DOWN}
_MONTHS = {"month": range(1, 13), "quarter": (1, 4, 7, 10), "year": (1,)}


def measured(accepted: Accepted, meter: Meter, now: int) -> Cells:
    """All cells of a meter, when the clock of the book says ``now``."""
    own = windows_of(meter)
    if meter.buckets is not None:
        found = _combined(accepted, meter, meter.buckets, now)
    else:
        found = _aggregated(accepted, meter, own, step_of(meter.window.unit, meter.window.zone), now)
    sums: dict[tuple[str, str, int], Pair] = defaultdict(lambda: (0, 0))
    sources: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for (resource, start), (pair, behind) in found.items():
        cell = (resource.tenant, resource.dimensions, start)
        sums[cell] = _plus(sums[cell], pair)
        sources[cell] |= behind
    cells: Cells = {}
    for cell, behind in sources.items():
        seen = [coverage(accepted, source, *own(cell[2]), now) for source in behind]
        quantity, estimated = (_rounded(part, meter) for part in sums[cell])
        cells[cell] = (quantity, estimated, sum(o for o, _ in seen), sum(e for _, e in seen))
    return cells


def windows_of(meter: Meter) -> Tiling:
    """The windows of a meter."""
    return partial(window, meter.window.unit, meter.window.zone, meter.window.anchor, 1)


@lru_cache(maxsize=100_000)
def window(unit: str, zone: str, anchor: int, minutes: int, at: int) -> tuple[int, int]:
    """Start and end of the window that holds a time, found by walking from day to day."""
    if unit in ("minute", "hour"):
        length = minutes * MINUTE if unit == "minute" else HOUR
        return at // length * length, at // length * length + length
    day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).date() + timedelta(days=2)
    while not _begins(unit, anchor, day) or _midnight(day, zone) > at:
        day -= timedelta(days=1)
    following = day + timedelta(days=1)
    while not _begins(unit, anchor, following):
        following += timedelta(days=1)
    return _midnight(day, zone), _midnight(following, zone)


def _begins(unit: str, anchor: int, day: date) -> bool:
    if unit == "day":
        return True
    if unit == "week":
        return day.isoweekday() == anchor
    return day.month in _MONTHS[unit] and day.day == min(anchor, monthrange(day.year, day.month)[1])


def _midnight(day: date, zone: str) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def step_of(unit: str, zone: str, minutes: int = 1) -> int:
    """What amounts are divided into: hours, or less where windows do not begin at whole hours of UTC."""
    if unit == "minute":
        return minutes * MINUTE
    is_odd = unit != "hour" and any(_midnight(date(2026, month, 1), zone) % HOUR for month in (1, 7))
    return HOUR // 4 if is_odd else HOUR


def _aggregated(accepted: Accepted, meter: Meter, windows: Tiling, step: int, now: int) -> Amounts:
    """What each resource has in each window."""
    name = meter.aggregation
    if name == "unique":
        meter = meter.model_copy(update={"per": (meter.of,)})
    if meter.source.kind == "metric":
        if name in ("increase", "rate", "integral", "average", "active"):
            return _added(spans_of(accepted, meter, step), windows, per_second=name in ("rate", "average"))
        points = sorted(samples_of(accepted, meter), key=lambda point: (point.time, point.order))
    else:
        points = sorted(events_of(accepted, meter), key=lambda point: (point.time, point.order))
        if name in ("count", "sum"):
            ones = (
                Addend(at, at.resource, at.source, at.time, Fraction(NANO if name == "count" else at.value))
                for at in points
            )
            return _added(ones, windows, per_second=False)
        if name == "total" or meter.changes:
            points = _running(points)
        if name in ("integral", "average", "active"):
            return _added(_held(points, step, now, name == "active"), windows, per_second=name == "average")
    if name in ("last_known", "total"):
        return _known(points, windows, now)
    by_window: dict[tuple[Resource, int], list[Point]] = defaultdict(list)
    for point in points:
        by_window[point.resource, windows(point.time)[0]].append(point)
    return {
        cell: ((_one_of(meter, [point.value for point in inside]), 0), {point.source for point in inside})
        for cell, inside in by_window.items()
        if name != "unique" or cell[0].name != "{}"
    }


def _one_of(meter: Meter, values: list[int]) -> int:
    """What the values of a window, in their order, become."""
    if meter.aggregation == "mean":
        return round(Fraction(sum(values), len(values)))
    if meter.percentile is not None:
        return nearest(meter.percentile, values)
    if meter.aggregation == "unique":
        return NANO
    return {"min": min(values), "max": max(values), "latest": values[-1]}[meter.aggregation]


def nearest(percent: Decimal, values: list[int] | list[Pair]) -> int | Pair:
    """The first of the values, from the least on, up to which there are so many percent of them."""
    ordered = sorted(values)
    return next(
        value for count, value in enumerate(ordered, 1) if Fraction(count, len(ordered)) >= Fraction(percent) / 100
    )


def _added(addends: Iterable[Addend], windows: Tiling, *, per_second: bool) -> Amounts:
    steps: dict[tuple[object, Resource, str, int, bool], Fraction] = defaultdict(Fraction)
    for each in addends:
        steps[each.owner, each.resource, each.source, each.step, each.estimated] += each.amount
    owned: dict[tuple[object, Resource, str, int], Pair] = defaultdict(lambda: (0, 0))
    for (owner, resource, source, step, is_estimated), amount in steps.items():
        cell = (owner, resource, source, windows(step)[0])
        owned[cell] = _plus(owned[cell], (round(amount), round(amount) if is_estimated else 0))
    found: Amounts = {}
    for (_, resource, source, start), pair in owned.items():
        if per_second:
            length = windows(start)[1] - start
            pair = (round(Fraction(pair[0] * SECOND, length)), round(Fraction(pair[1] * SECOND, length)))
        before, behind = found.get((resource, start), ((0, 0), set()))
        found[resource, start] = (_plus(before, pair), behind | {source})
    return found


def _running(points: list[Point]) -> list[Point]:
    """Changes as what there is after each."""
    levels: dict[Resource, int] = defaultdict(int)
    found = []
    for at in points:
        levels[at.resource] += at.value
        found.append(Point(at.time, levels[at.resource], at.resource, at.source, at.thread, at.order))
    return found


def _held(points: list[Point], step: int, now: int, is_active: bool) -> Iterator[Addend]:
    """Each value until the next one of its resource, and until now."""
    by_resource: dict[Resource, list[Point]] = defaultdict(list)
    for point in points:
        by_resource[point.resource].append(point)
    for resource, told in by_resource.items():
        for at, end in zip(told, [*(point.time for point in told[1:]), now], strict=True):
            value = NANO * (at.value != 0) if is_active else at.value
            for start, amount in lasting(value, at.time, min(end, now), step):
                yield Addend((resource, at.source), resource, at.source, start, amount)


def _known(points: list[Point], windows: Tiling, now: int) -> Amounts:
    """What each thread told last before the end of each window, of the windows that have begun."""
    threads: dict[object, list[Point]] = defaultdict(list)
    for point in points:
        threads[point.thread].append(point)
    found: Amounts = {}
    start, end = windows(points[0].time) if points else (now, now)
    while start < now:
        places = [(told, bisect_left(told, end, key=lambda point: point.time)) for told in threads.values()]
        last = [told[place - 1] for told, place in places if place]
        # Of several threads about one resource the one that spoke last.
        for point in sorted(last, key=lambda point: (point.time, point.order)):
            found[point.resource, start] = ((point.value, 0), {point.source})
        start, end = windows(end)
    return found


def _combined(accepted: Accepted, meter: Meter, buckets: Buckets, now: int) -> Amounts:
    """What the buckets of each window become; a bucket belongs to the window in which it begins."""
    own, zone = windows_of(meter), meter.window.zone
    inner = partial(window, buckets.unit, zone, meter.window.anchor, buckets.minutes)
    step = step_of(buckets.unit, zone, buckets.minutes)
    pairs: dict[tuple[Resource, int], dict[int, Pair]] = defaultdict(lambda: defaultdict(lambda: (0, 0)))
    sources: dict[tuple[Resource, int], set[str]] = defaultdict(set)
    for (resource, start), (pair, behind) in _aggregated(accepted, meter, inner, step, now).items():
        whole = Resource(resource.tenant, resource.dimensions, "") if buckets.of == "tenant" else resource
        cell = (whole, own(start)[0])
        pairs[cell][start] = _plus(pairs[cell][start], pair)
        sources[cell] |= behind
    found: Amounts = {}
    for cell, by_bucket in pairs.items():
        if buckets.empty == "zero":
            for start in _begun(inner, *own(cell[1]), now):
                by_bucket.setdefault(start, (0, 0))
        found[cell] = (_combination(buckets, list(by_bucket.values())), sources[cell])
    return found


def _begun(inner: Tiling, start: int, end: int, now: int) -> Iterator[int]:
    at, following = inner(start)
    while at < min(end, now):
        if at >= start:
            yield at
        at, following = inner(following)


def _combination(buckets: Buckets, pairs: list[Pair]) -> Pair:
    if buckets.percentile is not None:
        return nearest(buckets.percentile, pairs)
    if buckets.combine in ("min", "max"):
        return min(pairs) if buckets.combine == "min" else max(pairs)
    count = len(pairs) if buckets.combine == "average" else 1
    quantity, estimated = (round(Fraction(sum(column), count)) for column in zip(*pairs, strict=True))
    return quantity, estimated


def _plus(one: Pair, other: Pair) -> Pair:
    return one[0] + other[0], one[1] + other[1]


def _rounded(amount: int, meter: Meter) -> int:
    last = Decimal(1).scaleb(-meter.rounding.digits)
    rounded = (
        Decimal(amount).scaleb(-9, Context(prec=100)).quantize(last, _MODES[meter.rounding.mode], Context(prec=100))
    )
    return int(rounded.scaleb(9, Context(prec=100)))
