"""Events as metering reads them: added up where that is enough, else one by one as points.

Events come from the view already de-duplicated: a (source, id) counts once for ever, wherever and however often it was sent.
Each belongs to the window of its own time. What the tables can add up they add up; only what differs in a property that the
meter asks about leaves them apart. Whose they are may change by a reassignment at a certain moment, so what is asked for is cut at
such moments, and within each piece all events of a kind have one owner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from ledger.directory.expression import Expression, parse
from ledger.directory.matching import names_read
from ledger.directory.meter import Meter
from ledger.journal.cancelling import checked
from ledger.journal.quantity import NANO, from_decimal
from ledger.journal.view import View
from ledger.metering import nano
from ledger.metering.aggregated import Aggregated, Cell, Part, Resource, folded
from ledger.metering.approximate import Met, approximated, met_by
from ledger.metering.grid import Grid
from ledger.metering.points import Points, numbered
from ledger.metering.reassigning import Reassignments, reassignments_of
from ledger.metering.subjects import Key, dimensions_of, resource_of, told_by
from ledger.metering.unique import by_value, unique
from ledger.schema.numerals import NoValue
from meterbook.wire.instants import DAY_US, EARLIEST_US, HOUR_US
from meterbook.wire.sections import VALUE_LIMIT

#: By what an event is told from others of its type.
_TOLD = pa.schema([("origin", pa.utf8()), ("tenant", pa.utf8()), ("told", pa.utf8())])


def added(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """How many events there are, or the sum of their values."""
    expression = None if meter.value is None or meter.aggregation == "count" else parse(meter.value)
    by_value = expression is not None and expression.reads_value
    found, parts = dict[Cell, int](), dict[Part, int]()
    for row, resource, names in _added(view, meter, grid.start_us, grid.end_us, grid.step_us, by_value=by_value):
        if meter.aggregation == "count":
            amount = row["events"] * NANO
        elif expression is None:
            amount = from_decimal(row["value"])
        elif (value := _value(expression, names, row["value"])) is not None:
            amount = row["events"] * value
        else:
            continue
        place = parts.setdefault(Part(resource, row["origin"]), len(parts))
        cell = (place, row["step_us"])
        found[cell] = found.get(cell, 0) + amount
    return folded(found, grid, list(parts))


def named(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """How many different values a property has, of events that have it; a resource for each value where that is not approximate."""
    if meter.approximate:
        return approximated(_met(view, meter, grid), grid)
    return unique(added(view, by_value(meter), grid))


def _met(view: View, meter: Meter, grid: Grid) -> Iterator[Met]:
    """The registers that the values of a property met, of the events that the meter's filter lets through."""
    assert meter.of is not None
    whole = meter.model_copy(update={"per": ()})
    for names, (low_us, high_us), holding in pieces(view, whole, grid.start_us, grid.end_us):
        table = view.event_registers(type_of(meter), names, meter.of, low_us, high_us, step_us=grid.step_us)
        yield met_by(view, table, meter, holding, low_us)


def told_points(view: View, meter: Meter, grid: Grid, *, since_ever: bool = False) -> Points:
    """Events as points: those of the grid, or all before its end."""
    start_us = EARLIEST_US if since_ever else grid.start_us
    expression = None if meter.value is None else parse(meter.value)
    resources: dict[Resource, int] = {}
    groups, times, nanos, tellers = [], [], [], []
    for row, resource, names in _one_by_one(view, meter, start_us, grid.end_us):
        value = from_decimal(row["value"]) if expression is None else _value(expression, names, row["value"])
        if value is None:
            continue
        groups.append(resources.setdefault(resource, len(resources)))
        times.append(row["time_us"])
        nanos.append(value)
        tellers.append(row["origin"])
    origins, sources = numbered(tellers)
    columns = (np.array(groups, np.int64), np.array(times, np.int64), *nano.pairs(nanos), origins)
    return Points(*columns, list(resources), sources).chosen(np.argsort(columns[0], kind="stable"))


@dataclass(frozen=True)
class Uncounted:
    """How many events the meter's expression can make no value of for a reason, and the earliest of them."""

    reason: str
    events: int
    since_us: int
    origin: str
    source: str
    id: str


def without_value(
    view: View, meter: Meter, start_us: int, end_us: int, origins: Collection[str] = ()
) -> dict[str, Uncounted]:
    """The events of [start, end), collected by ``origins`` (empty for all), that count for nothing, by reason and the earliest first."""
    if meter.value is None or meter.source.event is None:
        return {}
    expression, found = parse(meter.value), dict[str, Uncounted]()
    for row, _, names in _examples(view, meter, start_us, end_us):
        if origins and row["origin"] not in origins:
            continue
        try:
            _exact(expression, names, row["value"])
        except NoValue as error:
            reason = str(error)
            told = Uncounted(reason, 0, row["time_us"], row["origin"], row["source"], row["id"])
            earlier = found.get(reason, told)
            found[reason] = replace(earlier, events=earlier.events + row["events"])
    return found


def tellers(view: View, meter: Meter, start_us: int, end_us: int) -> set[tuple[str, str, int]]:
    """What collected the events of [start, end) that the filter lets through, whose they are, and on which day of UTC."""
    # What they are worth, and under which dimensions, only keeps them apart.
    chosen = meter.model_copy(update={"aggregation": "count", "value": None, "group_by": (), "per": None})
    rows = _added(view, chosen, start_us, end_us, DAY_US, by_value=False)
    return {(row["origin"], resource.key.tenant, row["step_us"]) for row, resource, _ in rows}


def _value(expression: Expression, names: Mapping[str, str], own: Decimal) -> int | None:
    """What an event counts for, in nano-units; None where its properties make no value that the book can hold."""
    try:
        return _exact(expression, names, own)
    except NoValue:
        return None


def _exact(expression: Expression, names: Mapping[str, str], own: Decimal) -> int:
    value = expression.value(names, Fraction(own)) * NANO
    amount = nano.round_half_even(value.numerator, value.denominator)
    if abs(amount) >= VALUE_LIMIT * NANO:
        raise NoValue(f"what {expression} gives is beyond 2^62")
    return amount


def _added(
    view: View, meter: Meter, start_us: int, end_us: int, step_us: int, *, by_value: bool
) -> Iterator[tuple[dict[str, Any], Resource, Mapping[str, str]]]:
    """What the events of [start, end) add up to, as ``View.events`` gives it."""
    for names, (low_us, high_us), holding in pieces(view, meter, start_us, end_us):
        table = view.events(type_of(meter), names, low_us, high_us, step_us=step_us, by_value=by_value)
        yield from _rows(table, meter, holding, low_us)


def _examples(
    view: View, meter: Meter, start_us: int, end_us: int
) -> Iterator[tuple[dict[str, Any], Resource, Mapping[str, str]]]:
    """What the events of [start, end) say, as ``View.event_examples`` gives it, by time."""
    for names, (low_us, high_us), holding in pieces(view, meter, start_us, end_us):
        yield from _rows(view.event_examples(type_of(meter), names, low_us, high_us), meter, holding, low_us)


def _one_by_one(
    view: View, meter: Meter, start_us: int, end_us: int
) -> Iterator[tuple[dict[str, Any], Resource, Mapping[str, str]]]:
    """The events of [start, end) by time, as ``View.event_points`` gives them."""
    for names, (low_us, high_us), holding in pieces(view, meter, start_us, end_us):
        yield from _rows(view.event_points(type_of(meter), names, low_us, high_us), meter, holding, low_us)


def batches_behind(
    view: View, meter: Meter, start_us: int, end_us: int, is_mine: Callable[[Key], bool]
) -> dict[int, int]:
    """How many events of [start, end) and of some keys came first in each record, by its position."""
    found: Counter[int] = Counter()
    for names, (low_us, high_us), holding in pieces(view, meter, start_us, end_us):
        table = view.events(type_of(meter), names, low_us, high_us, step_us=HOUR_US)
        told = {
            (row["origin"], row["tenant"], row["told"])
            for row, resource, _ in _rows(table, meter, holding, low_us)
            if is_mine(resource.key)
        }
        mine = pa.Table.from_pylist([dict(zip(_TOLD.names, each, strict=True)) for each in sorted(told)], _TOLD)
        rows = view.event_batches(type_of(meter), names, mine, low_us, high_us)
        found.update(dict(zip(rows["position"].to_pylist(), rows["rows"].to_pylist(), strict=True)))
    return dict(found)


def pieces(
    view: View, meter: Meter, start_us: int, end_us: int
) -> Iterator[tuple[list[str], tuple[int, int], Reassignments]]:
    """[start, end) cut where a reassignment begins or ends, with those that hold there, and the properties to ask for."""
    standing = reassignments_of(view).within(start_us, end_us)
    for low_us, high_us in standing.pieces(start_us, end_us):
        holding = standing.within(low_us, high_us)
        yield sorted({*_names(meter), *holding.names}), (low_us, high_us), holding


def _rows(
    table: pa.Table, meter: Meter, holding: Reassignments, at_us: int
) -> Iterator[tuple[dict[str, Any], Resource, Mapping[str, str]]]:
    """The rows that the meter's filter lets through, with the resource that they are of and their properties.

    They are all of one piece of time, in which ``at_us`` lies. The tenant of a row is the one that was told.
    """
    known = {}
    for document in table["told"].unique().to_pylist():
        names = told_by(document)
        known[document] = names, dimensions_of(meter, names), resource_of(meter, names, "")
    for row in checked(table.to_pylist()):
        names, dimensions, name = known[row["told"]]
        if dimensions is not None:
            tenant = holding.owner(row["tenant"], row["origin"], names, at_us)
            yield row, Resource(Key(tenant, dimensions), name), names


def _names(meter: Meter) -> set[str]:
    """The properties that a meter asks about."""
    read = parse(meter.value).names if meter.value is not None else ()
    return {*names_read(meter.filter, meter.any), *meter.group_by, *(meter.per or ()), *read}


def type_of(meter: Meter) -> str:
    """The type of the events that a meter reads."""
    assert meter.source.event is not None
    return meter.source.event
