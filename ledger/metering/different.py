"""How many different values a property of events has, by key: counted where the events lie.

There may be a million users in a month, and what leaves the tables is one number for each tenant. First it is asked who told of which
step, with the properties that the meter looks at; that says which keys and windows there are. Then the tables count the values of each.
Values that the tables do not read for certain come as texts, are read as everybody else does, and are given back to be counted with the others.

The same count with a resource for each value is ``events.named``; where about how many is enough, see ``approximate``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from ledger.directory.meter import Meter
from ledger.journal.cancelling import checked
from ledger.journal.quantity import NANO
from ledger.journal.view import View
from ledger.metering.aggregated import Aggregated, Cell, Resource, attributed
from ledger.metering.events import named, pieces, type_of
from ledger.metering.grid import Grid
from ledger.metering.reassigning import Reassignments
from ledger.metering.subjects import Key, dimensions_of, told_by

_MINE = pa.schema(
    [
        ("origin", pa.utf8()),
        ("tenant", pa.utf8()),
        ("told", pa.utf8()),
        ("low_us", pa.int64()),
        ("high_us", pa.int64()),
        ("key", pa.int64()),
    ]
)
_WINDOWS = pa.schema([("step_us", pa.int64()), ("window_us", pa.int64())])
_DOUBTFUL = pa.schema([("key", pa.int64()), ("window_us", pa.int64()), ("value", pa.utf8())])


@dataclass
class _Told:
    """What is known of who told: rows of the tables that the second question names, and the sources behind each cell."""

    keys: dict[Key, int] = field(default_factory=dict)
    mine: list[tuple[str, str, str, int, int, int]] = field(default_factory=list)
    doubtful: set[tuple[int, int, str]] = field(default_factory=set)
    windows: dict[int, int] = field(default_factory=dict)
    behind: dict[Cell, set[str]] = field(default_factory=dict)


def different(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """How many different values the property ``of`` has among the events of each key and window that have it."""
    if meter.approximate:
        return named(view, meter, grid)
    assert meter.of is not None
    whole = meter.model_copy(update={"per": ()})
    cut = list(pieces(view, whole, grid.start_us, grid.end_us))
    names = sorted(set[str]().union(*(asked for asked, _, _ in cut)))
    told = _Told()
    for _, (low_us, high_us), holding in cut:
        table = view.event_tellers(type_of(meter), names, meter.of, low_us, high_us, step_us=grid.step_us)
        _add(told, table, meter, grid, (low_us, high_us), holding)
    given = {
        "mine": _table(told.mine, _MINE),
        "windows": _table(list(told.windows.items()), _WINDOWS),
        "doubtful": _table(sorted(told.doubtful), _DOUBTFUL),
    }
    counts = view.event_values(
        type_of(meter), names, meter.of, grid.start_us, grid.end_us, step_us=grid.step_us, **given
    )
    amounts = {(row["key"], row["window_us"]): row["values"] * NANO for row in checked(counts.to_pylist())}
    return attributed(amounts, {}, [Resource(key, "") for key in told.keys], told.behind)


def _add(told: _Told, table: pa.Table, meter: Meter, grid: Grid, span: tuple[int, int], holding: Reassignments) -> None:
    """Take in who told in a piece of time, as ``View.event_tellers`` gives it."""
    steps = table["step_us"].to_numpy()
    inside = (steps >= grid.start_us) & (steps < grid.end_us)
    table, steps = table.filter(pa.array(inside)), steps[inside]
    told.windows.update(zip(steps.tolist(), grid.starts_of(steps).tolist(), strict=True))
    known: dict[tuple[str, str, str, bool], tuple[int, str | None] | None] = {}
    columns = (table[name].to_pylist() for name in ("origin", "tenant", "told", "is_sure", "step_us"))
    for origin, tenant, document, is_sure, step_us in checked(zip(*columns, strict=True)):
        teller = (origin, tenant, document, is_sure)
        if teller not in known:
            known[teller] = _read(told, meter, teller, holding, span[0])
            if is_sure and (read := known[teller]) is not None:
                told.mine.append((origin, tenant, document, *span, read[0]))
        if (read := known[teller]) is None:
            continue
        key, value = read
        window_us = told.windows[step_us]
        if not is_sure and value is not None:
            told.doubtful.add((key, window_us, value))
        if is_sure or value is not None:
            told.behind.setdefault((key, window_us), set()).add(origin)


def _read(
    told: _Told, meter: Meter, teller: tuple[str, str, str, bool], holding: Reassignments, at_us: int
) -> tuple[int, str | None] | None:
    """The key of what was told, and its value where the tables have not read it; None where the meter's filter refuses it."""
    origin, tenant, document, _ = teller
    names = told_by(document)
    dimensions = dimensions_of(meter, names)
    if dimensions is None:
        return None
    key = Key(holding.owner(tenant, origin, names, at_us), dimensions)
    assert meter.of is not None
    return told.keys.setdefault(key, len(told.keys)), names.get(meter.of)


def _table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [() for _ in schema]
    return pa.table([pa.array(column, each.type) for column, each in zip(columns, schema, strict=True)], schema=schema)
