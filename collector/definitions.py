"""What defines the series of some samples, as a table that is made when somebody asks.

A series is defined once in its life and sampled for ever. So readings do not carry the definitions of their series: they carry
something that can give them, and it is asked about those that nobody has seen before.

``tags`` are what a resource is marked with and may be marked with differently tomorrow (labels of a pod, of its namespace, tags
of an instance). They find the tenant; they are no part of what the series is, and stay with the agent. Where they are null they are
not known yet, and nobody may guess whose the series is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterbook.wire.sections import SERIES
from meterbook.wire.series import PARTS, Parts, Series, numbers, series_digest

Ids = npt.NDArray[np.int64]

#: Columns of a definition: those of the wire that the source knows, and ``tags``, a canonical JSON object.
DEFINED = pa.schema(
    [*(field for field in SERIES if field.name not in ("tenant", "since")), pa.field("tags", pa.utf8())]
)


class Definitions(Protocol):
    """Gives definitions."""

    def of(self, ids: Ids) -> pa.Table:
        """The definitions (schema DEFINED) of series, in the order of their ids. Raises LookupError naming one that is none."""
        ...


class Known:
    """Definitions that are at hand."""

    def __init__(self, table: pa.Table) -> None:
        """``table`` has the schema DEFINED."""
        self._table = table.sort_by("series_id").combine_chunks()
        self._ids = self._table["series_id"].to_numpy()

    @classmethod
    def by(cls, series: Iterable[Series], tags: Mapping[int, str] | None = None) -> Known:
        """From series, and the tags of those (by id) that have any."""
        found = list(series)
        told = [(each.parts, each.start_us) for each in found]
        return cls(definitions(told, [(tags or {}).get(each.series_id, "{}") for each in found]))

    def of(self, ids: Ids) -> pa.Table:
        """See :class:`Definitions`."""
        places = np.minimum(np.searchsorted(self._ids, ids), max(len(self._ids) - 1, 0))
        missing = ids[self._ids[places] != ids] if len(self._ids) else ids
        if len(missing):
            raise undefined(missing)
        return self._table.take(pa.array(places))


class Either:
    """What one knows, or else another."""

    def __init__(self, one: Definitions, one_ids: Ids, other: Definitions) -> None:
        """``one_ids`` are those that the first knows."""
        self._one, self._one_ids, self._other = one, one_ids, other

    def of(self, ids: Ids) -> pa.Table:
        """See :class:`Definitions`."""
        first = np.isin(ids, self._one_ids)
        if first.all():
            return self._one.of(ids)
        table = pa.concat_tables([self._one.of(ids[first]), self._other.of(ids[~first])])
        order = np.argsort(np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)]))
        return table.take(pa.array(order)).combine_chunks()


def definitions(told: Sequence[tuple[Parts, int | None]], tags: Sequence[str | None] | None = None) -> pa.Table:
    """The series with these parts and starts as a table of the schema DEFINED; without tags unless given."""
    found = [numbers(series_digest(parts, start_us)) for parts, start_us in told]
    columns: dict[str, list[Any]] = {
        "series_id": [series_id for series_id, _ in found],
        "identity": [identity for _, identity in found],
        "start": [start_us for _, start_us in told],
        "tags": ["{}"] * len(told) if tags is None else list(tags),
    }
    for place, name in enumerate(PARTS):
        columns[name] = [parts[place] for parts, _ in told]
    arrays = [
        pa.array(columns[field.name], pa.int64()).cast(field.type)
        if field.name == "start"
        else pa.array(columns[field.name], field.type)
        for field in DEFINED
    ]
    return pa.Table.from_arrays(arrays, schema=DEFINED)


def undefined(ids: Ids) -> LookupError:
    """The error that says that series are not defined."""
    return LookupError(f"samples of {len(ids)} series that are not defined, such as {int(ids[0])}")


#: Nothing is defined.
NONE = Known(DEFINED.empty_table())
