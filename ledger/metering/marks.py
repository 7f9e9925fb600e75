"""Markers of where series ended, as far as they say something about the sample that follows them.

A marker a microsecond before a sample says that its series was out of sight, one two microseconds before it that the series had another
name meanwhile (see ``increase``). A marker says what one reader knows: where another has given the sample of the same instant without one,
it has seen the series all the time, and the marker says nothing.
"""

from __future__ import annotations

import numpy as np

from ledger.journal.samples import MARKED_US, vouched
from ledger.journal.view import View
from ledger.metering.stream import Block

#: What is said of a sample: how many microseconds before it a marker stands; 3 where two do.
UNSEEN, RENAMED = 1, 2
_NEVER_US = np.iinfo(np.int64).min // 2


class Marks:
    """Looks for markers in blocks of samples that follow each other, of the series ``ids``."""

    def __init__(self, view: View, ids: np.ndarray) -> None:
        self._view, self._ids = view, ids
        # When the last two markers of each series are: what follows them may stand in another block.
        self._last, self._before = np.full(len(ids), _NEVER_US), np.full(len(ids), _NEVER_US)

    def said(self, block: Block) -> np.ndarray | None:
        """What markers say of each row of a block, as bits of UNSEEN and RENAMED; None for nothing."""
        codes, times, values, heads = block
        behind = heads[times[heads] - self._last[codes[heads]] <= MARKED_US]
        ends = np.flatnonzero(np.isnan(values))
        if not len(behind) and not len(ends):
            return None
        marked = [*zip(codes[ends].tolist(), times[ends].tolist(), strict=True)]
        carried = codes[behind].tolist()
        before = [(code, int(column[code])) for code in carried for column in (self._before, self._last)]
        for code, time_us in marked:
            # Two readers may have told of the same end.
            if time_us != self._last[code]:
                self._before[code], self._last[code] = self._last[code], time_us
        found: dict[int, int] = {}
        for code, time_us in (*before, *marked):
            low, high = np.searchsorted(codes, (code, code + 1))
            for place in range(low + int(np.searchsorted(times[low:high], time_us + 1)), high):
                distance_us = int(times[place]) - time_us
                if distance_us > MARKED_US:
                    break
                if not np.isnan(values[place]):
                    found[place] = found.get(place, 0) | distance_us
        return self._unless_vouched(found, codes, times) if found else None

    def _unless_vouched(self, found: dict[int, int], codes: np.ndarray, times: np.ndarray) -> np.ndarray | None:
        rows = np.array(sorted(found), np.int64)
        seen = vouched(self._view, self._ids[codes[rows]], times[rows])
        known = set(zip(seen["series_id"].to_pylist(), seen["time_us"].to_pylist(), strict=True))
        said = np.zeros(len(codes), np.int8)
        for row in rows.tolist():
            if (int(self._ids[codes[row]]), int(times[row])) not in known:
                said[row] = found[row]
        return said if said.any() else None
