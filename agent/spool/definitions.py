"""Which series the ledger has been told of in this epoch, and with which tenant.

A hundred thousand series come back every few seconds, and nearly always nothing about them is new. So they are
held as sorted arrays, and the question "which of these are due to be defined?" is one binary search over whole
columns. The table ``series`` of the spool is the durable copy; this one is read from it when the spool opens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_Mask = npt.NDArray[np.bool_]


class Definitions:
    """Series as last defined: id, tenant, and the day (days since the Unix epoch) on which they were last noted."""

    def __init__(self, ids: Sequence[int] = (), tenants: Sequence[str] = (), days: Sequence[int] = ()) -> None:
        """Columns of equal length, each id once."""
        self._codes_by_tenant: dict[str, int] = {}
        order = np.argsort(np.asarray(ids, np.int64), kind="stable")
        self._ids = np.asarray(ids, np.int64)[order]
        self._codes = np.array([self._code(tenant) for tenant in tenants], np.int32)[order]
        self._days = np.asarray(days, np.int32)[order]

    def __len__(self) -> int:
        return len(self._ids)

    def due(self, series: pa.Table) -> _Mask:
        """Per row (schema ``SERIES``) whether it was not defined yet, or with another tenant."""
        places, is_known = self._find(series)
        due = ~is_known
        if is_known.any():
            due[is_known] = self._codes[places[is_known]] != self._codes_of(series)[is_known]
        return due

    def stale(self, series: pa.Table, day: int) -> _Mask:
        """Per row whether it is defined and was last noted before ``day``."""
        places, is_known = self._find(series)
        stale = is_known.copy()
        stale[is_known] = self._days[places[is_known]] < day
        return stale

    def learn(self, series: pa.Table, day: int) -> None:
        """The rows are defined now, and noted on ``day``."""
        places, is_known = self._find(series)
        codes = self._codes_of(series)
        self._codes[places[is_known]] = codes[is_known]
        self._days[places[is_known]] = day
        added = series["series_id"].to_numpy()[~is_known]
        order = np.argsort(added, kind="stable")
        at = np.searchsorted(self._ids, added[order])
        self._codes = np.insert(self._codes, at, codes[~is_known][order])
        self._days = np.insert(self._days, at, np.int32(day))
        self._ids = np.insert(self._ids, at, added[order])

    def _find(self, series: pa.Table) -> tuple[npt.NDArray[np.intp], _Mask]:
        """Places of the rows, and whether each is known; the place of an unknown row means nothing."""
        ids = series["series_id"].to_numpy()
        if len(self._ids) == 0:
            return np.zeros(len(ids), np.intp), np.zeros(len(ids), np.bool_)
        places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return places, self._ids[places] == ids

    def _codes_of(self, series: pa.Table) -> npt.NDArray[np.int32]:
        encoded = series["tenant"].combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.utf8()).dictionary_encode()
        codes = np.array([self._code(tenant) for tenant in encoded.dictionary.to_pylist()], np.int32)
        of_rows: npt.NDArray[np.int32] = codes[encoded.indices.to_numpy()]
        return of_rows

    def _code(self, tenant: str) -> int:
        return self._codes_by_tenant.setdefault(tenant, len(self._codes_by_tenant))
