"""Bytes as rows of CSV: a line end between quotes is no end of a row, so a row ends where the number of quotes before it is even.

As with lines (``collector.datastore.lines``), what is not complete stays unread, and however the bytes are cut into reads, the same rows come out. One quote
too many would make one row of all that follows: where a row would be longer than the limit, only its first line is given up, and cutting begins
again behind that.
"""

from __future__ import annotations

import numpy as np

from collector.datastore.layouts import Places
from collector.datastore.lines import Cut, Head
from collector.datastore.lines import cut as cut_lines
from collector.datastore.mapping.pieces import parities

_LF = ord("\n")


def cut(
    chunk: bytes,
    offset: int,
    *,
    skipping: bool,
    row_bytes_max: int,
    rows_max: int,
    quote: str | None,
    is_last: bool = False,
) -> Cut:
    """The rows in the bytes of an object that begin at ``offset``; no more than ``rows_max``.

    ``is_last`` says that nothing follows: then a row whose quotes are still open at the end is given up, too. The last row needs its line
    feed nevertheless.
    """
    if quote is None:
        return cut_lines(chunk, offset, skipping=skipping, line_bytes_max=row_bytes_max, lines_max=rows_max)
    return _Cutter(chunk, row_bytes_max, ord(quote)).cut(offset, skipping, rows_max, is_last)


class _Cutter:
    def __init__(self, chunk: bytes, row_bytes_max: int, quote: int) -> None:
        self._chunk, self._max = chunk, row_bytes_max
        data = np.frombuffer(chunk, np.uint8)
        #: Line feeds, and whether the number of quotes before each is odd.
        self._feeds = np.flatnonzero(data == _LF)
        self._odd = parities(chunk, quote)[self._feeds]
        #: Where rows end that begin behind an even number of quotes, and behind an odd one; and which of those are too long.
        self._ends = [self._feeds[self._odd == parity] for parity in (0, 1)]
        self._long = [np.flatnonzero(np.diff(ends) - 1 > row_bytes_max) + 1 for ends in self._ends]

    def cut(self, offset: int, skipping: bool, rows_max: int, is_last: bool) -> Cut:
        start, parity = 0, 0
        runs: list[tuple[Places, Places]] = []
        heads: list[Head] = []
        if skipping:
            if not len(self._feeds):
                return self._found(runs, heads, offset + len(self._chunk), True)
            start, parity = self._behind(0)
        count = 0
        while count < rows_max:
            first, last = self._run(start, parity)
            last = min(last, first + rows_max - count)
            ends = self._ends[parity][first:last]
            if len(ends):
                runs.append((np.concatenate([[start], ends[:-1] + 1]), ends))
                start, count = int(ends[-1]) + 1, count + len(ends)
                continue
            is_closed = first < len(self._ends[parity])
            if not is_closed and not (is_last and start < len(self._chunk)) and len(self._chunk) - start <= self._max:
                break
            at = int(np.searchsorted(self._feeds, start))
            stop = int(self._feeds[at]) if at < len(self._feeds) else len(self._chunk)
            heads.append(Head(start, self._chunk[start : min(stop, start + self._max)]))
            count += 1
            if at == len(self._feeds):
                return self._found(runs, heads, offset + len(self._chunk), True)
            start, parity = self._behind(at)
        return self._found(runs, heads, offset + start, False)

    def _run(self, start: int, parity: int) -> tuple[int, int]:
        """From where to where ends of rows follow each other that are not too long, beginning with the row at ``start``."""
        ends, long = self._ends[parity], self._long[parity]
        first = int(np.searchsorted(ends, start))
        if first == len(ends) or ends[first] - start > self._max:
            return first, first
        place = int(np.searchsorted(long, first + 1))
        return first, int(long[place]) if place < len(long) else len(ends)

    def _behind(self, feed: int) -> tuple[int, int]:
        """Where the next row begins behind a line feed, and the quotes before it."""
        return int(self._feeds[feed]) + 1, int(self._odd[feed])

    def _found(self, runs: list[tuple[Places, Places]], heads: list[Head], offset: int, skipping: bool) -> Cut:
        nothing = np.empty(0, np.int64)
        starts = np.concatenate([nothing, *(starts for starts, _ in runs)])
        ends = np.concatenate([nothing, *(ends for _, ends in runs)])
        return Cut(starts, ends, tuple(heads), offset, skipping)
