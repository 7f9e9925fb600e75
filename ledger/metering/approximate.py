"""About how many different values a label or property has: by sketches, for meters that are content with that.

What events say is hashed where they lie, and only registers leave the tables: a few thousand numbers for millions of values. They
are put together by tenant, dimensions and window as columns. Values that the tables do not read for certain come as texts and are
hashed in a question of their own, and so are those of series, of which there are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ledger.directory.meter import Meter
from ledger.journal.quantity import NANO
from ledger.journal.registers import registers_of
from ledger.journal.view import View
from ledger.metering.aggregated import Aggregated, Cell, Part, Resource, attributed
from ledger.metering.grid import Grid
from ledger.metering.reassigning import Reassignments
from ledger.metering.sketch import Sketches
from ledger.metering.subjects import Key, dimensions_of, texts_of, told_by


@dataclass(frozen=True)
class Met:
    """Registers that parts met: columns of equal length, by place in ``parts`` and time."""

    parts: list[Part]
    places: np.ndarray
    times_us: np.ndarray
    registers: np.ndarray
    ranks: np.ndarray


def approximated(met: Iterable[Met], grid: Grid) -> Aggregated:
    """About how many different values each key met in each window, all of it together."""
    wholes: dict[Resource, int] = {}
    behind: dict[Cell, set[str]] = {}
    cells: dict[Cell, int] = {}
    sketches = Sketches.of(*(np.array([], np.int64) for _ in range(3)))
    for each in met:
        inside = (each.times_us >= grid.start_us) & (each.times_us < grid.end_us)
        starts = grid.starts_of(each.times_us[inside])
        pairs, groups = np.unique(np.stack((each.places[inside], starts)), axis=1, return_inverse=True)
        numbers = []
        for place, start_us in pairs.T.tolist():
            part = each.parts[place]
            whole = Resource(part.resource.key, "")
            cell = (wholes.setdefault(whole, len(wholes)), start_us)
            behind.setdefault(cell, set()).add(part.source)
            numbers.append(cells.setdefault(cell, len(cells)))
        of = np.array(numbers, np.int64)[groups.reshape(-1)]
        sketches = sketches.union(Sketches.of(of, each.registers[inside], each.ranks[inside]))
    estimates = sketches.estimates()
    amounts = {cell: estimates[number] * NANO for cell, number in cells.items()}
    return attributed(amounts, {}, list(wholes), behind)


def met_by(view: View, table: pa.Table, meter: Meter, holding: Reassignments, at_us: int) -> Met:
    """What events met, as ``View.event_registers`` gives it, all of one piece of time, in which ``at_us`` lies."""
    assert meter.of is not None
    told = [table[name].combine_chunks().dictionary_encode() for name in ("origin", "tenant", "told")]
    unsure = table["register"].is_null().to_numpy()
    codes = np.stack([*(column.indices.to_numpy() for column in told), unsure.astype(np.int32)])
    kinds, kind_of = np.unique(codes, axis=1, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    origins, tenants, documents = (column.dictionary.to_pylist() for column in told)
    parts: list[Part] = []
    texts: list[str | None] = []
    for origin, tenant, document, is_unsure in kinds.T.tolist():
        names = told_by(documents[document])
        dimensions = dimensions_of(meter, names)
        key = Key(holding.owner(tenants[tenant], origins[origin], names, at_us), dimensions or "")
        parts.append(Part(Resource(key, ""), origins[origin]))
        # What the filter refuses, and what has no such property, counts for nothing.
        texts.append(None if dimensions is None else names.get(meter.of) if is_unsure else "")
    registers, ranks = _hashed(view, texts)
    counts = np.array([text is not None for text in texts], bool)[kind_of]
    columns = (
        kind_of,
        table["step_us"].to_numpy(),
        np.where(unsure, registers[kind_of], table["register"].fill_null(0).to_numpy()),
        np.where(unsure, ranks[kind_of], table["rank"].fill_null(0).to_numpy()),
    )
    return Met(parts, *(column[counts] for column in columns))


def met_once(view: View, found: Aggregated, meter: Meter) -> Met:
    """What resources met that are told apart by the value (see ``unique.by_value``), each once in its windows."""
    assert meter.of is not None
    texts = [texts_of(part.resource.name).get(meter.of) for part in found.parts]
    registers, ranks = _hashed(view, texts)
    cells = np.array([cell for cell in found.quantity if texts[cell[0]] is not None], np.int64).reshape(-1, 2)
    return Met(found.parts, cells[:, 0], cells[:, 1], registers[cells[:, 0]], ranks[cells[:, 0]])


def _hashed(view: View, texts: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
    """Register and rank of each text; 0 where there is none."""
    places = np.array([place for place, text in enumerate(texts) if text is not None], np.int64)
    found = registers_of(view.tables, [text for text in texts if text is not None])
    registers, ranks = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    registers[places], ranks[places] = found["register"].to_numpy(), found["rank"].to_numpy()
    return registers, ranks
