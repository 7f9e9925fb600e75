"""Which series the ledger has been told of in this epoch, and with which tenant.

A hundred thousand series come back every few seconds, and nearly always nothing about them is new. So they are
held as sorted arrays, and the question "which of these are due to be defined?" is one binary search over whole
columns. The table ``series`` of the spool is the durable copy; this one is read from it when the spool opens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agent.tagged import Codes, TaggedSeries
from collector.definitions import Ids

Mask = npt.NDArray[np.bool_]


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

    def due(self, series: TaggedSeries) -> Mask:
        """Of which series nothing was defined yet, or another tenant."""
        places, is_known = self._find(series.ids)
        due = ~is_known
        if is_known.any():
            due[is_known] = self._codes[places[is_known]] != self._codes_of(series)[is_known]
        return due

    def stale(self, series: TaggedSeries, day: int) -> Mask:
        """Which series are defined and were last noted before ``day``."""
        places, is_known = self._find(series.ids)
        stale = is_known.copy()
        stale[is_known] = self._days[places[is_known]] < day
        return stale

    def learn(self, series: TaggedSeries, which: Mask, day: int) -> None:
        """Those are defined now, and noted on ``day``."""
        ids, codes = series.ids[which], self._codes_of(series)[which]
        places, is_known = self._find(ids)
        self._codes[places[is_known]] = codes[is_known]
        self._days[places[is_known]] = day
        added = ids[~is_known]
        at = np.searchsorted(self._ids, added)
        self._codes = np.insert(self._codes, at, codes[~is_known])
        self._days = np.insert(self._days, at, np.int32(day))
        self._ids = np.insert(self._ids, at, added)

    def _find(self, ids: Ids) -> tuple[npt.NDArray[np.intp], Mask]:
        """Places of the ids, and whether each is known; the place of an unknown one means nothing."""
        if len(self._ids) == 0:
            return np.zeros(len(ids), np.intp), np.zeros(len(ids), np.bool_)
        places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return places, self._ids[places] == ids

    def _codes_of(self, series: TaggedSeries) -> Codes:
        codes = np.array([self._code(tenant) for tenant in series.tenants], np.int32)
        of_series: Codes = codes[series.codes] if len(codes) else np.empty(0, np.int32)
        return of_series

    def _code(self, tenant: str) -> int:
        return self._codes_by_tenant.setdefault(tenant, len(self._codes_by_tenant))
