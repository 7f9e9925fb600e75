"""Samples of many series in the order of time, a block at a time: so much as there is fits into no memory, and need not.

A range is cut into *slices*, best at times at which one file ends and the next begins, so that no file is read twice. Of a slice rows
come as they lie. Files that were merged hold one series after the other, those that were not one reading of all series after the other;
either way the rows of each *block* only have to be put in order by themselves, and the blocks of a slice follow each other in the order of
time of every single series. Where they do not, since something came late, the whole slice is put in order.

What is read next is fetched while what was read is worked on. A block is small enough for a processor to keep it at hand.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from contextvars import copy_context
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from ledger.journal import cancelling, samples
from ledger.journal.view import View

Made = TypeVar("Made")


class Block(NamedTuple):
    """Places of series, times in microseconds and values, as columns; and where another series begins in them."""

    codes: np.ndarray
    times: np.ndarray
    values: np.ndarray
    heads: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, times: np.ndarray, values: np.ndarray) -> Block:
        """A block of columns that are sorted by series and time."""
        return cls(codes, times, values, _heads(codes))

    def chosen(self, rows: np.ndarray) -> Block:
        """Those of the rows of a mask."""
        return self if rows.all() else Block.of(self.codes[rows], self.times[rows], self.values[rows])


class _Rows(NamedTuple):
    """Places of series, times, values, and positions where they are known."""

    codes: np.ndarray
    times: np.ndarray
    values: np.ndarray
    positions: np.ndarray | None

    def of(self, rows: np.ndarray | slice) -> _Rows:
        """Some of the rows, or all in another order."""
        codes, times, values, positions = self
        return _Rows(codes[rows], times[rows], values[rows], None if positions is None else positions[rows])


class _Tied(Exception):
    """Two samples are of one instant, and which was accepted first is not known."""


#: Set once two samples of one instant were met: where two readers read the same, they do so for long.
_ties_met = threading.Event()


#: Rows of a block; and of a slice, of which it has the first at least where it may end between files, and the second at most.
_BLOCK_ROWS, _SLICE_ROWS, _SLICE_ROWS_MAX = 1 << 18, 1 << 20, 5 << 20
#: Parts of an answer that wait to be put in order, and blocks that wait for whoever asked: those of a slice come all at once.
_PARTS_AHEAD, _BLOCKS_AHEAD = 1, 8
_NEVER_US = np.iinfo(np.int64).min
#: Slots of a table for each id, and what spreads ids over them (Knuth, The Art of Computer Programming, volume 3, 6.4: 2^64 / golden ratio).
_SLOTS, _MULTIPLIER = 8, np.uint64(0x9E3779B97F4A7C15)
_SHORT_MAX = 1 << 16


def blocks(view: View, ids: np.ndarray, start_us: int, end_us: int) -> Iterator[Block]:
    """Samples of the series ``ids``, which ascend, in [start, end), markers among them.

    A block is sorted by series and time, of one instant as in ``journal.samples``. What another block has of a series is all earlier or
    all later.
    """
    if len(ids) == 0:
        return
    # One thread reads, another one puts in order, and whoever asked adds up what is in order.
    with closing(_ahead(_made(view, ids, start_us, end_us), _BLOCKS_AHEAD)) as found:
        yield from found


def _made(view: View, ids: np.ndarray, start_us: int, end_us: int) -> Generator[Block]:
    all_series = samples.are_most(view, ids)
    for span in pairwise(cuts(view.tables.extents("samples"), start_us, end_us)):
        found = (
            None
            if _ties_met.is_set()
            else _untied(_read(view, ids, span, all_series=all_series, positions=False), len(ids))
        )
        if found is None:
            found = _ordered(_read(view, ids, span, all_series=all_series, positions=True), len(ids))
        for rows in found:
            cancelling.check()
            yield from _in_blocks(rows)


def _untied(parts: Generator[_Rows], series: int) -> list[_Rows] | None:
    """Blocks of a slice; None where two samples are of one instant."""
    try:
        return _ordered(parts, series)
    except _Tied:
        _ties_met.set()
        return None


def cuts(extents: pa.Table, start_us: int, end_us: int) -> list[int]:
    """Where [start, end) is cut into slices, both ends among them; ``extents`` as of ``Reader.extents``, by their start.

    Rows are taken to lie evenly in what a file covers: nothing but the memory that is needed depends on it.
    """
    found = [start_us]
    rows, reached_us = 0.0, start_us
    columns = (extents[name].to_pylist() for name in ("start_us", "end_us", "rows"))
    for first_us, last_us, count in zip(*columns, strict=True):
        low_us, high_us = max(first_us, found[-1]), min(last_us + 1, end_us)
        if high_us <= low_us:
            continue
        if rows >= _SLICE_ROWS and first_us >= reached_us > found[-1]:
            found.append(first_us)
            rows = 0.0
        density = count / (last_us + 1 - first_us)
        inside = density * (high_us - low_us)
        while rows + inside > _SLICE_ROWS_MAX:
            cut_us = low_us + int((_SLICE_ROWS_MAX - rows) / density)
            if not found[-1] < cut_us < high_us:
                break
            found.append(cut_us)
            rows, low_us = 0.0, cut_us
            inside = density * (high_us - low_us)
        rows += inside
        reached_us = max(reached_us, high_us)
    return [*found, end_us]


def _read(view: View, ids: np.ndarray, span: tuple[int, int], *, all_series: bool, positions: bool) -> Generator[_Rows]:
    places = _Places(ids)
    read = samples.between(view, None if all_series else ids, *span, positions=positions)
    with closing(_ahead(read, _PARTS_AHEAD)) as parts:
        for part in parts:
            column = {
                name: part.column(name).to_numpy(zero_copy_only=False) for name in part.schema.names if name != "time"
            }
            times = part.column("time").view(pa.int64()).to_numpy()
            rows = _Rows(places.of(column["series_id"]), times, column["value"], column.get("position"))
            known = rows.codes >= 0
            yield rows if known.all() else rows.of(known)


class _Places:
    """Where ids stand in a column of ascending ones: looked up in a table by a hash, and searched for where two have the same."""

    def __init__(self, ids: np.ndarray) -> None:
        self._ids = ids
        self._shift = np.uint64(64 - (_SLOTS * len(ids)).bit_length())
        self._table = np.zeros(1 << (64 - int(self._shift)), np.int64)
        self._table[self._slots(ids)] = np.arange(len(ids))

    def of(self, series_ids: np.ndarray) -> np.ndarray:
        """The place of each id; -1 where it is not there."""
        found: np.ndarray = self._table[self._slots(series_ids)]
        missed = np.flatnonzero(self._ids[found] != series_ids)
        if len(missed):
            wanted = series_ids[missed]
            places = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
            found[missed] = np.where(self._ids[places] == wanted, places, -1)
        return found

    def _slots(self, series_ids: np.ndarray) -> np.ndarray:
        slots: np.ndarray = (series_ids.view(np.uint64) * _MULTIPLIER) >> self._shift
        return slots.view(np.int64)


def _heads(column: np.ndarray) -> np.ndarray:
    """Where another value begins."""
    changes = np.empty(len(column), bool)
    changes[:1] = True
    np.not_equal(column[1:], column[:-1], out=changes[1:])
    return np.flatnonzero(changes)


def _ordered(parts: Generator[_Rows], series: int) -> list[_Rows]:
    """Blocks of a slice in the order of time of every series. Raises _Tied."""
    reached = np.full(series, _NEVER_US)
    found: list[_Rows] = []
    follow = True
    with closing(parts):
        for part in parts:
            for first in range(0, len(part.codes), _BLOCK_ROWS):
                block = _sorted(part.of(slice(first, first + _BLOCK_ROWS)))
                found.append(block)
                if follow:
                    heads = _heads(block.codes)
                    begun = block.codes[heads]
                    follow = bool((block.times[heads] > reached[begun]).all())
                    reached[begun] = block.times[np.append(heads[1:], len(block.codes)) - 1]
    return found if follow else [_sorted(_joined(found))]


def _sorted(rows: _Rows) -> _Rows:
    codes, times, values, positions = rows
    same = codes[1:] == codes[:-1]
    if ((codes[1:] > codes[:-1]) | (same & (times[1:] > times[:-1]))).all():
        return rows
    if (times[1:] >= times[:-1]).all():
        # One reading after the other. What is not so long is sorted by its digits.
        order = np.argsort(codes.astype(np.uint16) if int(codes.max()) < _SHORT_MAX else codes, kind="stable")
    else:
        order = np.lexsort((times, codes))
    found = rows.of(order)
    if ((found.codes[1:] == found.codes[:-1]) & (found.times[1:] == found.times[:-1])).any():
        if positions is None:
            raise _Tied
        return rows.of(np.lexsort((values, positions, np.isnan(values), times, codes)))
    return found


def _joined(rows: list[_Rows]) -> _Rows:
    codes, times, values = (np.concatenate(columns) for columns in list(zip(*rows, strict=True))[:3])
    positions = [each.positions for each in rows if each.positions is not None]
    return _Rows(codes, times, values, np.concatenate(positions) if len(positions) == len(rows) else None)


def _in_blocks(rows: _Rows) -> Iterator[Block]:
    codes, times, values, _ = rows
    first = 0
    while first < len(codes):
        end = min(first + _BLOCK_ROWS, len(codes))
        # What stands at one instant stays together.
        while end < len(codes) and codes[end] == codes[end - 1] and times[end] == times[end - 1]:
            end += 1
        yield Block.of(codes[first:end], times[first:end], values[first:end])
        first = end


def _ahead(parts: Generator[Made], most: int) -> Generator[Made]:
    """The same parts, made by a thread of its own before they are asked for, ``most`` of them at a time."""
    fetched: queue.Queue[Made | BaseException | None] = queue.Queue(most)
    over = threading.Event()

    def fetch() -> None:
        try:
            with closing(parts):
                for part in parts:
                    fetched.put(part)
                    if over.is_set():
                        break
            fetched.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the part
            fetched.put(error)

    # In the context of whoever asks, so that it ends with the question.
    thread = threading.Thread(target=copy_context().run, args=(fetch,), name="samples ahead", daemon=True)
    thread.start()
    try:
        while (part := fetched.get()) is not None:
            if isinstance(part, BaseException):
                raise part
            yield part
    finally:
        over.set()
        # Whoever throws it away may be that thread itself, when it happens to collect garbage.
        while thread.is_alive() and thread is not threading.current_thread():
            try:
                fetched.get(timeout=0.01)
            except queue.Empty:
                continue
