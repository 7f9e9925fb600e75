"""Rows of CSV as fields (RFC 4180, section 2): one at a time, and in columns, cut at all delimiters at once.

A column in quotes may hold delimiters and line ends, and its own quotes twice; a quote within a column that does not begin with one is refused, since
nobody can say where such a row ends. An empty column is a field that is empty.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from collector.datastore.cloudevents import BadEvent, shown
from collector.datastore.layouts import Places
from collector.datastore.mapping.cells import Rows, TextCells
from collector.datastore.mapping.formats import CsvRecords, distinct
from collector.datastore.mapping.pieces import is_text, parities, texts_between
from collector.datastore.mapping.regexlines import decoded
from collector.datastore.mapping.shapes import Shape


def columns_of(header: bytes, config: CsvRecords) -> tuple[str, ...]:
    """The names of the columns that a header line has. Raises ValueError for a line that names none, or one twice."""
    try:
        return distinct(tuple(_Splitter(config).columns(header.removesuffix(b"\r"))))
    except BadEvent as error:
        raise ValueError(f"the header cannot be read: {error}") from None


class CsvRows:
    """Reads rows with these columns, in columns only those that are ``needed``; all of them if that is unset."""

    def __init__(self, config: CsvRecords, columns: Sequence[str], needed: Collection[str] | None = None) -> None:
        self._columns = tuple(columns)
        self._needed = frozenset(columns if needed is None else needed)
        self._splitter = _Splitter(config)
        self._delimiter, self._quote = ord(config.delimiter), ord(config.quote) if config.quote is not None else -1

    def record(self, row: bytes) -> dict[str, str]:
        """The columns of a row. Raises BadEvent."""
        found = self._splitter.columns(row)
        if len(found) != len(self._columns):
            raise BadEvent(f"the row has {len(found)} columns, and the header {len(self._columns)}")
        return dict(zip(self._columns, found, strict=True))

    def shapes(self, block: bytes, starts: Places, ends: Places) -> Iterator[Shape]:
        """The rows of a block in shapes; those that are in none are to be read one by one."""
        if not len(starts) or not is_text(block):
            return
        data = np.frombuffer(block, np.uint8)
        delimiters = np.flatnonzero(data == self._delimiter)
        has_quotes = self._quote >= 0 and bytes([self._quote]) in block
        if has_quotes:
            delimiters = delimiters[_outside(block, self._quote, delimiters, starts)]
        first = np.searchsorted(delimiters, starts)
        rows = np.flatnonzero(np.searchsorted(delimiters, ends) - first == len(self._columns) - 1)
        begins, stops = self._edges(delimiters, first[rows], starts[rows], ends[rows])
        sure = np.ones(len(rows), bool)
        if has_quotes:
            sure = _unquoted(data, self._quote, begins, stops)
        cells = {
            name: TextCells(texts_between(block, begins[:, place], stops[:, place]))
            for place, name in enumerate(self._columns)
            if name in self._needed
        }
        yield Shape(cells, rows, sure)

    def _edges(self, delimiters: Places, first: Places, starts: Places, ends: Places) -> tuple[Places, Places]:
        """Where each column of each row begins and ends."""
        count = len(self._columns)
        begins, stops = np.empty((len(starts), count), np.int64), np.empty((len(starts), count), np.int64)
        between = (
            delimiters[first[:, None] + np.arange(count - 1)] if count > 1 else np.empty((len(starts), 0), np.int64)
        )
        begins[:, 0], begins[:, 1:] = starts, between + 1
        stops[:, -1], stops[:, :-1] = ends, between
        return begins, stops


def _outside(block: bytes, quote: int, places: Places, starts: Places) -> Rows:
    """Which places are outside of quotes, which are counted from where the row of each begins."""
    odd = parities(block, quote)
    before = np.where(starts > 0, odd[np.maximum(starts - 1, 0)], 0)
    if before.any():
        # Somebody has cut the rows another way.
        odd_rows = before[np.maximum(np.searchsorted(starts, places, "right") - 1, 0)]
        return np.asarray(odd[places] == odd_rows)
    return np.asarray(odd[places] == 0)


def _unquoted(data: npt.NDArray[np.uint8], quote: int, begins: Places, stops: Places) -> Rows:
    """Take the quotes around columns off their edges; which rows have no others."""
    last = len(data) - 1
    quoted = (
        (stops - begins >= 2) & (data[np.minimum(begins, last)] == quote) & (data[np.maximum(stops - 1, 0)] == quote)
    )
    quotes = np.flatnonzero(data == quote)
    held = np.searchsorted(quotes, stops[:, -1]) - np.searchsorted(quotes, begins[:, 0])
    begins += quoted
    stops -= quoted
    sure: Rows = held == 2 * quoted.sum(axis=1)
    return sure


class _Splitter:
    """Takes one row apart."""

    def __init__(self, config: CsvRecords) -> None:
        self._quote, delimiter = config.quote, re.escape(config.delimiter)
        if config.quote is None:
            self._column = re.compile(rf"()([^{delimiter}]*+)({delimiter}|\Z)")
        else:
            quote = re.escape(config.quote)
            quoted = rf"{quote}([^{quote}]*+(?:{quote}{quote}[^{quote}]*+)*+){quote}"
            self._column = re.compile(rf"(?:{quoted}|([^{delimiter}{quote}]*+))({delimiter}|\Z)")

    def columns(self, row: bytes) -> list[str]:
        """The texts of its columns. Raises BadEvent."""
        text = decoded(row)
        found: list[str] = []
        place = 0
        while True:
            column = self._column.match(text, place)
            if column is None:
                raise BadEvent(f"a quote in {shown(text[place:])} neither begins nor ends a column")
            quoted, plain, end = column.groups()
            if self._quote is not None and plain is None:
                found.append(quoted.replace(self._quote * 2, self._quote))
            else:
                found.append(plain)
            place = column.end()
            if not end:
                return found
