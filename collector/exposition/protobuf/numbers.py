"""Where the numbers of a page stand, and what they are on any page that is the same but for them.

Doubles take eight bytes wherever they stand. Counts and times are varints: as long as each keeps its length, nothing behind it
moves (:mod:`collector.exposition.protobuf.mold`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collector.exposition.protobuf.doubles import doubles, eights
from collector.exposition.protobuf.malformed import Malformed
from collector.exposition.protobuf.samples import Samples
from collector.exposition.protobuf.varints import Bytes, Places, varints
from collector.exposition.values import NO_TIME, Floats, Times

#: Milliseconds up to which a time fits into microseconds.
_MS_MAX = 10**15
#: Of a varint's byte what has to stay the same: whether another follows. Of a tenth one bit is the number's.
_MORE, _TENTH = 0x80, 0xFE


@dataclass(frozen=True)
class Varints:
    """Places of varints: ``rows`` says whose they are."""

    rows: Places
    starts: Places
    stops: Places

    @classmethod
    def of(cls, starts: Places, stops: Places) -> Varints:
        """Of columns with -1 for none."""
        rows = np.flatnonzero(starts >= 0)
        return cls(rows, starts[rows], stops[rows])

    def read(self, data: Bytes) -> npt.NDArray[np.uint64]:
        """The numbers on a page."""
        return varints(data, self.starts, self.stops)[0]

    def column(self, count: int) -> tuple[Places, Places]:
        """Starts and stops by row, -1 for none."""
        starts, stops = np.full(count, -1), np.full(count, -1)
        starts[self.rows], stops[self.rows] = self.starts, self.stops
        return starts, stops

    def moved(self, shifts: Places) -> Varints:
        """The same, each so many bytes further on as is said of its row."""
        return Varints(self.rows, self.starts + shifts[self.rows], self.stops + shifts[self.rows])

    def clear(self, mask: Bytes) -> None:
        """Clear the bits of the numbers in a mask."""
        lengths = self.stops - self.starts
        for byte in range(int(lengths.max(initial=0))):
            mask[self.starts[lengths > byte] + byte] = _MORE if byte < 9 else _TENTH


@dataclass(frozen=True)
class Numbers:
    """Places of the numbers of a page: of each sample a double or a varint, or both, of which the double counts unless it is 0.

    ``metrics`` says to which metric a sample belongs; times are given by metric.
    """

    metrics: Places
    double_rows: Places
    doubles: Places
    counts: Varints
    times: Varints

    @classmethod
    def of(cls, found: Samples) -> Numbers:
        """Those of some samples."""
        rows = np.flatnonzero(found.doubles >= 0)
        counts, times = Varints.of(found.counts, found.count_stops), Varints.of(found.times, found.time_stops)
        return cls(found.metrics, rows, found.doubles[rows], counts, times)

    def values(self, body: bytes | bytearray) -> Floats:
        """The values on a page."""
        data = np.frombuffer(body, np.uint8)
        values = np.zeros(len(self.metrics))
        values[self.double_rows] = doubles(data, self.doubles)
        counts = self.counts
        if len(counts.rows):
            given = values[counts.rows]
            read = counts.read(data).astype(np.float64)
            values[counts.rows] = np.where(given != 0, given, read)
        return values

    def times_us(self, body: bytes | bytearray) -> Times | None:
        """The times on a page in microseconds, NO_TIME for 0, as Prometheus takes it. Raises Malformed."""
        if not len(self.times.rows):
            return None
        times_ms = self.times.read(np.frombuffer(body, np.uint8)).view(np.int64)
        # Not by the absolute: that of the least integer is negative.
        beyond = (times_ms > _MS_MAX) | (times_ms < -_MS_MAX)
        if beyond.any():
            at = int(self.times.starts[beyond][0])
            raise Malformed(at, f"gives the time {times_ms[beyond][0]} ms, which is beyond the year 33658")
        if not times_ms.any():
            return None
        of_metrics = np.full(int(self.metrics[-1]) + 1, NO_TIME)
        of_metrics[self.times.rows] = np.where(times_ms != 0, times_ms * 1_000, NO_TIME)
        times: Times = of_metrics[self.metrics]
        return times

    def moved(self, shifts: Places, rows: Places, found: Samples) -> Numbers:
        """Those of the same samples, each metric of them so many bytes further on; but for some rows, which are ``found`` anew."""
        by_row, count = shifts[self.metrics], len(self.metrics)
        values = np.full(count, -1)
        values[self.double_rows] = self.doubles + by_row[self.double_rows]
        columns = [values, *self.counts.moved(by_row).column(count), *self.times.moved(shifts).column(len(shifts))]
        several = np.unique(self.metrics[rows])
        for column, places, given in zip(
            columns,
            (rows, rows, rows, several, several),
            (found.doubles, found.counts, found.count_stops, found.times, found.time_stops),
            strict=True,
        ):
            column[places] = given
        values, starts, stops, times, time_stops = columns
        given = np.flatnonzero(values >= 0)
        return Numbers(self.metrics, given, values[given], Varints.of(starts, stops), Varints.of(times, time_stops))

    def clear(self, mask: Bytes) -> None:
        """Clear the bits of the numbers in a mask."""
        eights(mask, np.uint64)[self.doubles] = 0
        self.counts.clear(mask)
        self.times.clear(mask)
