"""CSV as batches of columns of texts (RFC 4180, section 2), whatever a column looks like: an account id of digits alone is no number.

A block of rows is cut at all its delimiters at once. A column in quotes may hold delimiters, line ends and its own quotes twice, which JSON
in a bill has in every row. Rows are counted from 0 behind the header; whoever begins at a later one gets the same from there on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.bills.refused import Refused
from collector.datastore.layouts import Places
from collector.datastore.mapping.cells import Rows
from collector.datastore.mapping.csvrows import columns_of
from collector.datastore.mapping.formats import CsvRecords
from collector.datastore.mapping.pieces import is_text, texts_between, without_returns
from collector.datastore.mapping.rowcut import cut

_FORM = CsvRecords(format="csv")
_QUOTE, _COMMA = b'",'
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Cuts:
    """How CSV is cut: bytes that are read at once, most bytes of a row, most rows of a batch."""

    block_bytes: int
    row_bytes_max: int
    rows_max: int


def batches(plain: Iterator[bytes], first: int, cuts: Cuts) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows from number ``first`` on, each batch with the number of its first row, and before them a batch without rows.

    Raises Refused, and what ``plain`` raises.
    """
    table: _Table | None = None
    row, rest = 0, b""
    blocks = _blocks(plain, cuts.block_bytes)
    while True:
        block = next(blocks, b"")
        is_last = not block
        chunk = rest + block
        if is_last and chunk and not chunk.endswith(b"\n"):
            # The last row needs no end.
            chunk += b"\n"
        at = 0
        while True:
            found = cut(
                chunk[at:] if at else chunk,
                at,
                skipping=False,
                row_bytes_max=cuts.row_bytes_max,
                rows_max=cuts.rows_max if table is not None else 1,
                quote='"',
                is_last=is_last,
            )
            if found.heads:
                raise Refused(
                    f"the row has more than {cuts.row_bytes_max} bytes, or its quotes are not closed",
                    row + len(found.starts),
                    found.heads[0].text[:1_000].decode("utf-8", "replace"),
                )
            if not len(found.starts):
                break
            held, at = chunk[at : found.offset], found.offset
            if table is None:
                table = _Table(held)
                yield first, table.empty()
                continue
            starts, ends = _filled(held, found.starts, found.ends)
            if row + len(starts) > first:
                skipped = max(0, first - row)
                yield row + skipped, table.batch(held, starts[skipped:], ends[skipped:], row + skipped)
            row += len(starts)
        rest = chunk[at:]
        if is_last:
            return


def _blocks(plain: Iterator[bytes], block_bytes: int) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in plain:
        held.append(piece)
        size += len(piece)
        if size >= block_bytes:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)


def _filled(block: bytes, starts: Places, ends: Places) -> tuple[Places, Places]:
    """Rows without their carriage returns, and without those that are empty lines."""
    ends = without_returns(block, starts, ends)
    kept = ends > starts
    return starts[kept], ends[kept]


class _Table:
    """Rows with the columns of one header."""

    def __init__(self, header: bytes) -> None:
        try:
            self._names = columns_of(header.removesuffix(b"\n").removeprefix(_MARK), _FORM)
        except ValueError as error:
            raise Refused(str(error), document=header[:1_000].decode("utf-8", "replace")) from None

    def empty(self) -> pa.RecordBatch:
        """No rows, with the columns of all."""
        return pa.RecordBatch.from_arrays([pa.nulls(0, pa.utf8()) for _ in self._names], names=list(self._names))

    def batch(self, block: bytes, starts: Places, ends: Places, first: int) -> pa.RecordBatch:
        """The rows of a block as columns; ``first`` is the number of the first. Raises Refused, with the number that the row has in all."""
        if not is_text(block):
            raise Refused("a row of those that follow is not UTF-8", first)
        data = np.frombuffer(block, np.uint8)
        quotes, commas = np.flatnonzero(data == _QUOTE), np.flatnonzero(data == _COMMA)
        before = np.searchsorted(quotes, commas)
        outside = before % 2 == 0
        commas, before = commas[outside], before[outside]
        behind = np.searchsorted(commas, starts)
        count = np.searchsorted(commas, ends) - behind
        odd = count != len(self._names) - 1
        if odd.any():
            self._refuse(block, starts, ends, odd, first, f"columns, and the header {len(self._names)}", count + 1)
        between = behind[:, None] + np.arange(len(self._names) - 1)
        edges = np.column_stack([starts - 1, commas[between], ends])
        marks = np.column_stack([np.searchsorted(quotes, starts), before[between], np.searchsorted(quotes, ends)])
        begins, stops = edges[:, :-1] + 1, edges[:, 1:]
        quoted, bad = _quotes(quotes, marks, begins, stops)
        if bad.any():
            self._refuse(block, starts, ends, bad, first, "a quote that neither begins nor ends a column")
        begins, stops = begins + quoted, stops - quoted
        columns = [self._column(block, begins[:, place], stops[:, place]) for place in range(len(self._names))]
        return pa.RecordBatch.from_arrays(columns, names=list(self._names))

    def _column(self, block: bytes, begins: Places, stops: Places) -> pa.Array:
        column = texts_between(block, begins, stops)
        held = column.buffers()[2]
        if held is not None and np.any(np.frombuffer(held, np.uint8) == _QUOTE):
            column = pc.replace_substring(column, '""', '"')
        return column

    def _refuse(
        self, block: bytes, starts: Places, ends: Places, rows: Rows, first: int, told: str, count: Places | None = None
    ) -> None:
        row = int(np.flatnonzero(rows)[0])
        number = "" if count is None else f"{count[row]} "
        document = block[starts[row] : ends[row]][:1_000].decode("utf-8", "replace")
        raise Refused(f"the row has {number}{told}", first + row, document)


def _quotes(quotes: Places, marks: Places, begins: Places, stops: Places) -> tuple[npt.NDArray[np.bool_], Rows]:
    """Which columns are in quotes, and which rows have quotes that are not where RFC 4180 has them.

    ``quotes`` are all there are; of them as many as ``marks`` says come before each edge of a column.
    """
    first, held = marks[:, :-1], np.diff(marks, axis=1)
    quoted = np.zeros(held.shape, bool)
    some = np.nonzero(held)
    at, many = first[some], held[some]
    quoted[some] = (many >= 2) & (quotes[at] == begins[some]) & (quotes[at + many - 1] == stops[some] - 1)
    fine = quoted[some] & (many % 2 == 0)
    # Between its own two, a column in quotes has others by twos, which stand side by side.
    next_to = np.append(np.diff(quotes) == 1, [False, False])
    sums = np.zeros((2, len(quotes) + 2), np.int64)
    for parity in (0, 1):
        sums[parity, 1:][parity::2] = next_to[: len(quotes) + 1][parity::2]
    sums.cumsum(axis=1, out=sums)
    start, stop = at + 1, at + np.maximum(many - 1, 1)
    pairs = sums[start % 2, stop] - sums[start % 2, start]
    fine &= pairs == (many - 2) // 2
    bad = np.zeros(len(held), bool)
    bad[some[0][~fine]] = True
    return quoted, bad
