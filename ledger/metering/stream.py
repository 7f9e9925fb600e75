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
from collections.abc import Generator, Iterable, Iterator
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


_Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

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
        for codes, times, values, _ in _ordered(_read(view, ids, span, all_series=all_series), len(ids)):
            cancelling.check()
            yield from _in_blocks(codes, times, values)


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


def _read(view: View, ids: np.ndarray, span: tuple[int, int], *, all_series: bool) -> Iterator[_Rows]:
    places = _Places(ids)
    with closing(_ahead(samples.between(view, None if all_series else ids, *span), _PARTS_AHEAD)) as parts:
        for part in parts:
            series_ids, values, positions = (
                part.column(name).to_numpy(zero_copy_only=False) for name in ("series_id", "value", "position")
            )
            yield _of_series(places, series_ids, (part.column("time").view(pa.int64()).to_numpy(), values, positions))


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


def _of_series(places: _Places, series_ids: np.ndarray, columns: tuple[np.ndarray, np.ndarray, np.ndarray]) -> _Rows:
    """Rows of the series that are wanted, with their places."""
    codes = places.of(series_ids)
    if len(codes) and int(codes.min()) >= 0:
        return codes, *columns
    rows = codes >= 0
    times, values, positions = (column[rows] for column in columns)
    return codes[rows], times, values, positions


def _heads(column: np.ndarray) -> np.ndarray:
    """Where another value begins."""
    changes = np.empty(len(column), bool)
    changes[:1] = True
    np.not_equal(column[1:], column[:-1], out=changes[1:])
    return np.flatnonzero(changes)


def _ordered(parts: Iterable[_Rows], series: int) -> list[_Rows]:
    """Blocks of a slice in the order of time of every series."""
    reached = np.full(series, _NEVER_US)
    found: list[_Rows] = []
    follow = True
    for part in parts:
        for first in range(0, len(part[0]), _BLOCK_ROWS):
            block = _sorted(tuple(column[first : first + _BLOCK_ROWS] for column in part))
            found.append(block)
            if follow:
                heads = _heads(block[0])
                begun = block[0][heads]
                follow = bool((block[1][heads] > reached[begun]).all())
                reached[begun] = block[1][np.append(heads[1:], len(block[0])) - 1]
    return found if follow else [_sorted(_joined(found))]


def _sorted(rows: tuple[np.ndarray, ...]) -> _Rows:
    codes, times, values, positions = rows
    same = codes[1:] == codes[:-1]
    if ((codes[1:] > codes[:-1]) | (same & (times[1:] > times[:-1]))).all():
        return codes, times, values, positions
    if (times[1:] >= times[:-1]).all():
        # One reading after the other. What is not so long is sorted by its digits.
        order = np.argsort(codes.astype(np.uint16) if int(codes.max()) < _SHORT_MAX else codes, kind="stable")
    else:
        order = np.lexsort((times, codes))
    again = (codes[order[1:]] == codes[order[:-1]]) & (times[order[1:]] == times[order[:-1]])
    if again.any():
        order = np.lexsort((values, positions, np.isnan(values), times, codes))
    return codes[order], times[order], values[order], positions[order]


def _joined(rows: list[_Rows]) -> _Rows:
    codes, times, values, positions = (np.concatenate(columns) for columns in zip(*rows, strict=True))
    return codes, times, values, positions


def _in_blocks(codes: np.ndarray, times: np.ndarray, values: np.ndarray) -> Iterator[Block]:
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
