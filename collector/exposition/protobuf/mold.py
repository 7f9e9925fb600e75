"""A page, as what the next ones are compared with: all its bytes but for those of numbers.

Where every number kept its length, the whole page is compared at one go. Where some did not, what stands behind them moved. Then each run
of metrics that moved together is compared where it is now, and the few metrics that have another length, or say something else,
are left to be taken apart.
"""

from __future__ import annotations

import numpy as np

from collector.exposition.protobuf.delimited import Outline
from collector.exposition.protobuf.numbers import Numbers
from collector.exposition.protobuf.varints import Bytes, Places

#: So much is compared together, so that what lies between stays in the cache.
_BYTES_AT_ONCE = 1 << 18
#: One in so many metrics may have another length: with more, there would be too many runs to look at each.
_RESIZED_SHARE = 16


class Mold:
    """A page, and where its metrics and numbers are."""

    def __init__(self, body: bytes | bytearray, page: Outline, numbers: Numbers) -> None:
        self.page, self.numbers = page, numbers
        self._body = np.frombuffer(body, np.uint8)
        self._mask = np.full(len(body), 0xFF, np.uint8)
        numbers.clear(self._mask)

    def fits(self, body: bytes | bytearray) -> bool:
        """Whether a page is the same but for its numbers, and these as long as they were."""
        return len(body) == len(self._body) and not any(
            len(some) for some in self._differing(np.frombuffer(body, np.uint8), 0, len(body), 0)
        )

    def misfits(self, body: bytes | bytearray, page: Outline) -> Places | None:
        """The metrics of a page that differ in more than their numbers; None where its families do, or too many metrics."""
        if page.families != self.page.families:
            return None
        starts, stops = self.page.starts, self.page.stops
        shifts = page.starts - starts
        misfitting = page.stops - page.starts != stops - starts
        if np.count_nonzero(misfitting) * _RESIZED_SHARE > len(starts):
            return None
        data = np.frombuffer(body, np.uint8)
        ends = np.append(np.flatnonzero(misfitting[1:] | (shifts[1:] != shifts[:-1])) + 1, len(starts))
        first = 0
        for end in ends.tolist() if len(starts) else []:
            # A run begins with the one metric of another length, if it has one at all.
            first += bool(misfitting[first])
            if first < end:
                for places in self._differing(data, int(starts[first]), int(stops[end - 1]), int(shifts[first])):
                    metrics = np.searchsorted(starts, places, "right") - 1
                    # Between the metrics stand their lengths, and what the outline tells of families.
                    misfitting[metrics[places < stops[metrics]]] = True
            first = end
        return np.flatnonzero(misfitting)

    def _differing(self, data: Bytes, start: int, stop: int, shift: int) -> list[Places]:
        """Places between two at which something else stands so many bytes further on."""
        found = []
        for at in range(start, stop, _BYTES_AT_ONCE):
            here = slice(at, min(at + _BYTES_AT_ONCE, stop))
            there = slice(here.start + shift, here.stop + shift)
            differing = (data[there] ^ self._body[here]) & self._mask[here]
            if differing.any():
                found.append(np.flatnonzero(differing) + at)
        return found
