"""The series of one collection with their tenants: numbers for nearly everybody, definitions for those who ask.

What the spool wants to know of a hundred thousand series, collection after collection, is whether any of them is new or has
changed hands. Ids and codes of tenants tell that. The definitions of those that are due are asked for once; they are at hand where
the tagger has just looked at them, and are made again where something came in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.definitions import NONE, Definitions, Ids
from meterbook.wire.sections import SERIES

Codes = npt.NDArray[np.int32]
_TIME = SERIES.field("since").type


@dataclass(frozen=True, eq=False)
class TaggedSeries:
    """Series by rising id, the place of each one's tenant in ``tenants``, and since when it has it (microseconds).

    ``fresh`` are definitions that are at hand (schema SERIES, by rising id), ``definitions`` gives the others.
    """

    ids: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    codes: Codes = field(default_factory=lambda: np.empty(0, np.int32))
    since_us: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    tenants: tuple[str, ...] = ()
    definitions: Definitions = NONE
    fresh: pa.Table | None = None

    @classmethod
    def given(cls, table: pa.Table) -> TaggedSeries:
        """From definitions as the wire has them (schema SERIES)."""
        table = table.sort_by("series_id").combine_chunks()
        tenants = table["tenant"].to_pylist()
        names = tuple(dict.fromkeys(tenants))
        codes = np.array([names.index(tenant) for tenant in tenants], np.int32)
        since_us = table["since"].cast(pa.int64()).to_numpy()
        return cls(table["series_id"].to_numpy(), codes, since_us, names, fresh=table)

    def defined(self, wanted: npt.NDArray[np.bool_]) -> pa.Table:
        """The definitions of some of the series (schema SERIES), by rising id. Raises LookupError."""
        if not wanted.any():
            return SERIES.empty_table()
        parts, others = [], wanted
        if self.fresh is not None:
            fresh_ids = self.fresh["series_id"].to_numpy()
            parts.append(self.fresh.filter(pa.array(np.isin(fresh_ids, self.ids[wanted]))))
            others = wanted & ~np.isin(self.ids, fresh_ids)
        if others.any():
            parts.append(self.rows(self.definitions.of(self.ids[others]), others))
        return pa.concat_tables(parts).sort_by("series_id").combine_chunks() if len(parts) > 1 else parts[0]

    def rows(self, defined: pa.Table, wanted: npt.NDArray[np.bool_]) -> pa.Table:
        """Definitions of the source (schema DEFINED) as the wire has them; those of the ``wanted`` series, in their order."""
        dictionary = pa.DictionaryArray.from_arrays(self.codes[wanted], pa.array(self.tenants, pa.utf8()))
        found = {"tenant": dictionary.cast(pa.utf8()), "since": pa.array(self.since_us[wanted]).cast(_TIME)}
        arrays = [found[name] if name in found else defined[name] for name in SERIES.names]
        return pa.Table.from_arrays(arrays, schema=SERIES)


NO_SERIES = TaggedSeries()
