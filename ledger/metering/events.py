"""Events as metering reads them: added up where that is enough, else one by one as points.

Events come from the view already de-duplicated: a (source, id) counts once for ever, wherever and however often it was sent.
Each belongs to the window of its own time. What the tables can add up they add up; only what differs in a property that the
meter asks about leaves them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from ledger.directory.expression import Expression, parse
from ledger.directory.matching import names_read
from ledger.directory.meter import Meter
from ledger.directory.numerals import NoValue
from ledger.journal.quantity import NANO, from_decimal
from ledger.journal.view import View
from ledger.metering import nano
from ledger.metering.aggregated import Aggregated, Part, Resource, folded
from ledger.metering.grid import Grid
from ledger.metering.points import Points, numbered
from ledger.metering.steps import Stepped
from ledger.metering.subjects import Key, dimensions_of, resource_of, told_by
from ledger.metering.unique import by_value, unique
from meterbook.wire.instants import EARLIEST_US
from meterbook.wire.sections import VALUE_LIMIT


def added(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """How many events there are, or the sum of their values."""
    expression = None if meter.value is None or meter.aggregation == "count" else parse(meter.value)
    table = view.events(
        _type(meter),
        _names(meter),
        grid.start_us,
        grid.end_us,
        step_us=grid.step_us,
        by_value=expression is not None and expression.reads_value,
    )
    found, parts = Stepped(), dict[Part, int]()
    for row, resource, names in _rows(table, meter):
        if meter.aggregation == "count":
            amount = row["events"] * NANO
        elif expression is None:
            amount = from_decimal(row["value"])
        elif (value := _value(expression, names, row["value"])) is not None:
            amount = row["events"] * value
        else:
            continue
        place = parts.setdefault(Part(resource, row["origin"]), len(parts))
        found.add((place, row["step_us"]), amount, estimated=False)
    return folded(found, grid, list(parts))


def named(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """How many different values a property has, of events that have it."""
    return unique(added(view, by_value(meter), grid))


def told_points(view: View, meter: Meter, grid: Grid, *, since_ever: bool = False) -> Points:
    """Events as points: those of the grid, or all before its end."""
    start_us = EARLIEST_US if since_ever else grid.start_us
    expression = None if meter.value is None else parse(meter.value)
    table = view.event_points(_type(meter), _names(meter), start_us, grid.end_us)
    resources: dict[Resource, int] = {}
    groups, times, nanos, tellers = [], [], [], []
    for row, resource, names in _rows(table, meter):
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


def without_value(view: View, meter: Meter, start_us: int, end_us: int) -> dict[str, int]:
    """How many events of [start, end) the meter's expression can make no value of, by reason. They count for nothing."""
    if meter.value is None:
        return {}
    expression, found = parse(meter.value), Counter[str]()
    table = view.events(_type(meter), _names(meter), start_us, end_us, by_value=expression.reads_value)
    for row, _, names in _rows(table, meter):
        try:
            _exact(expression, names, row["value"])
        except NoValue as error:
            found[str(error)] += row["events"]
    return dict(found)


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


def _rows(table: pa.Table, meter: Meter) -> Iterator[tuple[dict[str, Any], Resource, Mapping[str, str]]]:
    """The rows that the meter's filter lets through, with the resource that they are of and their properties."""
    known = {}
    for document in table["told"].unique().to_pylist():
        names = told_by(document)
        known[document] = names, dimensions_of(meter, names), resource_of(meter, names, "")
    for row in table.to_pylist():
        names, dimensions, name = known[row["told"]]
        if dimensions is not None:
            yield row, Resource(Key(row["tenant"], dimensions), name), names


def _names(meter: Meter) -> list[str]:
    """The properties that a meter asks about."""
    read = parse(meter.value).names if meter.value is not None else ()
    return sorted({*names_read(meter.filter, meter.any), *meter.group_by, *(meter.per or ()), *read})


def _type(meter: Meter) -> str:
    assert meter.source.event is not None
    return meter.source.event
