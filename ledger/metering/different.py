"""How many different values a property of events has, by key: counted where the events lie.

There may be a million users in a month, and what leaves the tables is one number for each tenant and window, with the properties that the meter looks
at. Mostly that is the answer. Where several of these numbers are about one key, as for properties that are filtered but not told apart, their
values may be the same ones: then the tables are told which belong together, and count those. Values that the tables do not read for certain come as
texts, are read as everybody else does, and are given back to be counted with the others.

The same count with a resource for each value is ``events.named``; where about how many is enough, see ``approximate``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from ledger.directory.meter import Meter
from ledger.journal.cancelling import checked
from ledger.journal.given import given
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
_DOUBTFUL = pa.schema([("key", pa.int64()), ("window_us", pa.int64()), ("value", pa.utf8())])


@dataclass
class _Told:
    """What is known of who told: the keys and their numbers, counts of (key, window) by who told, and rows for the question that unites them."""

    keys: dict[Key, int] = field(default_factory=dict)
    counts: dict[Cell, dict[tuple[str, str, int], int]] = field(default_factory=dict)
    mine: set[tuple[str, str, str, int, int, int]] = field(default_factory=set)
    doubtful: set[tuple[int, int, str]] = field(default_factory=set)
    behind: dict[Cell, set[str]] = field(default_factory=dict)
    #: Whether several origins told the same, and it goes to different keys.
    is_apart: bool = False

    @property
    def is_united(self) -> bool:
        """Whether nobody told of a key and a window what others may have told, too."""
        return not self.doubtful and not self.is_apart and all(len(each) == 1 for each in self.counts.values())


def different(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """How many different values the property ``of`` has among the events of each key and window that have it."""
    if meter.approximate:
        return named(view, meter, grid)
    assert meter.of is not None
    event_type, span = type_of(meter), (grid.start_us, grid.end_us)
    cut = list(pieces(view, meter.model_copy(update={"per": ()}), *span))
    names = sorted(set[str]().union(*(asked for asked, _, _ in cut)))
    windows = _windows(view.event_steps(event_type, *span, step_us=grid.step_us), grid)
    told = _Told()
    for _, within, holding in cut:
        table = view.events_different(event_type, names, meter.of, within, windows, step_us=grid.step_us)
        _add(told, table, meter, within, holding)
    if told.is_united:
        amounts = {cell: sum(each.values()) * NANO for cell, each in told.counts.items()}
    else:
        tables = {"mine": given(sorted(told.mine), _MINE), "doubtful": given(sorted(told.doubtful), _DOUBTFUL)}
        counts = view.events_united(event_type, names, meter.of, span, step_us=grid.step_us, windows=windows, **tables)
        amounts = {(row["key"], row["window_us"]): row["values"] * NANO for row in checked(counts.to_pylist())}
    return attributed(amounts, {}, [Resource(key, "") for key in told.keys], told.behind)


def _windows(steps: pa.Table, grid: Grid) -> pa.Table:
    """The windows of those steps that begin in the grid."""
    column = steps["step_us"].to_numpy()
    inside = column[(column >= grid.start_us) & (column < grid.end_us)]
    return pa.table({"step_us": inside, "window_us": grid.starts_of(inside)})


def _add(told: _Told, table: pa.Table, meter: Meter, span: tuple[int, int], holding: Reassignments) -> None:
    """Take in who told in a piece of time, as ``View.events_different`` gives it."""
    known: dict[tuple[str, str, str], tuple[int | None, str | None]] = {}
    keys: dict[tuple[str, str, int], int | None] = {}
    columns = (table[name].to_pylist() for name in ("origin", "tenant", "told", "window_us", "is_sure", "values"))
    for origin, tenant, document, window_us, is_sure, values in checked(zip(*columns, strict=True)):
        if (origin, tenant, document) not in known:
            known[origin, tenant, document] = _read(told, meter, (origin, tenant, document), holding, span[0])
        key, value = known[origin, tenant, document]
        if is_sure and keys.setdefault((tenant, document, window_us), key) != key:
            told.is_apart = True
        if key is None or not (is_sure or value is not None):
            continue
        cell = (key, window_us)
        if is_sure:
            told.mine.add((origin, tenant, document, *span, key))
            told.counts.setdefault(cell, {})[tenant, document, span[0]] = values
        elif value is not None:
            told.doubtful.add((*cell, value))
        told.behind.setdefault(cell, set()).add(origin)


def _read(
    told: _Told, meter: Meter, teller: tuple[str, str, str], holding: Reassignments, at_us: int
) -> tuple[int | None, str | None]:
    """The key of what was told, None where the meter's filter refuses it, and its value where the tables have not read it."""
    origin, tenant, document = teller
    names = told_by(document)
    dimensions = dimensions_of(meter, names)
    if dimensions is None:
        return None, None
    key = Key(holding.owner(tenant, origin, names, at_us), dimensions)
    assert meter.of is not None
    return told.keys.setdefault(key, len(told.keys)), names.get(meter.of)
