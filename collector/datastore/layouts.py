"""JSON lines as columns: a program writes the same members in the same order, line after line, and only what they hold differs.

A *layout* is a line with holes: each text that is a value, and each number, is one; names, brackets, literals and blanks are
constant. It is learnt from one line, which the JSON parser reads with a mark in each hole, so that what is JSON is not decided here::

    {"id":"a1","data":{"value":12.5}}     ->  {"id":"##","data":{"value":##}}

Another line has the layout if it has as many quotes and the same bytes between its holes; its holes then lie at known quotes. That
is found out for all lines together, a few machine words a line. Each hole is an Arrow column of the very texts that were written.

Lines with a backslash or a control character have no layout here, nor those of a block that is not UTF-8, those with several numbers between two texts, those
beyond a number of layouts. Whoever asks reads them one by one. What a hole that is a number holds may be anything that has no quote:
whether it is a number is for the asker to see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Places = npt.NDArray[np.int64]

_QUOTE, _BACKSLASH, _SPACE, _LF = b'"\\ \n'
_TOKEN = re.compile(rb"[^\s:,{}\[\]]+")
_LITERALS = (b"true", b"false", b"null")
#: Marks in the document of a layout; a line with control characters has none.
_TEXT_MARK, _NUMBER_MARK = "\x01", "\x02"
#: Layouts that are learnt from one block, and that are remembered.
_LEARNT_MAX, _KNOWN_MAX = 64, 256


@dataclass(frozen=True)
class Hole:
    """A place in a layout's document: the text, or the number as it was written, is column ``number``."""

    number: int
    is_text: bool


@dataclass(frozen=True, eq=False)
class Layout:
    """``document`` is the JSON with a Hole at every place that differs from line to line.

    Hole ``k`` begins ``begins[k][1]`` bytes behind the quote ``begins[k][0]`` and ends ``ends[k][1]`` bytes before the quote
    ``ends[k][0]``; quote -1 is the start of the line, the quote behind the last its end. ``constants`` stand before each and behind all.
    """

    document: Any
    quotes: int
    begins: tuple[tuple[int, int], ...]
    ends: tuple[tuple[int, int], ...]
    constants: tuple[bytes, ...]


@dataclass(frozen=True)
class Group:
    """Lines of one layout: their places among all lines, ascending, and a column of texts for each hole."""

    layout: Layout
    rows: Places
    columns: Sequence[pa.Array]


def learnt(line: bytes) -> Layout | None:
    """The layout of a line without backslashes and control characters; None where it has none, or is not JSON."""
    quotes = [place for place, byte in enumerate(line) if byte == _QUOTE]
    if len(quotes) % 2:
        return None
    begins: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    holes: list[tuple[int, int, str]] = []
    for number in range(-1, len(quotes), 2):
        start = quotes[number] + 1 if number >= 0 else 0
        end = quotes[number + 1] if number + 1 < len(quotes) else len(line)
        numbers = [found for found in _TOKEN.finditer(line, start, end) if found[0] not in _LITERALS]
        if len(numbers) > 1:
            return None
        for found in numbers:
            begins.append((number, found.start() - start + (number >= 0)))
            ends.append((number + 1, end - found.end()))
            holes.append((found.start(), found.end(), _NUMBER_MARK))
        after = line[quotes[number + 2] + 1 :] if end < len(line) else b":"
        if not after.lstrip(b" ").startswith(b":"):
            begins.append((number + 1, 1))
            ends.append((number + 2, 0))
            holes.append((end + 1, quotes[number + 2], _TEXT_MARK))
    pieces, constants, last = list[str](), list[bytes](), 0
    try:
        for place, (start, end, mark) in enumerate(holes):
            constants.append(line[last:start])
            shown = f"{mark}{place}" if mark == _TEXT_MARK else f'"{mark}{place}"'
            pieces += (constants[-1].decode(), shown)
            last = end
        constants.append(line[last:])
        document = _with_holes(
            json.loads("".join(pieces) + constants[-1].decode(), strict=False, object_pairs_hook=_shown_once)
        )
    except (ValueError, RecursionError):
        return None
    return Layout(document, len(quotes), tuple(begins), tuple(ends), tuple(constants))


def _shown_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member hides another one of its name, which nobody would look at")
    return members


def _with_holes(document: Any) -> Any:
    match document:
        case dict():
            if any(name[:1] in (_TEXT_MARK, _NUMBER_MARK) for name in document):
                raise ValueError("a number stands where a name belongs")
            return {name: _with_holes(member) for name, member in document.items()}
        case list():
            return [_with_holes(member) for member in document]
        case str():
            return Hole(int(document[1:]), document[0] == _TEXT_MARK)
        case _:
            return document


class Layouts:
    """The layouts of one source, remembered from block to block."""

    def __init__(self) -> None:
        self._known: list[Layout] = []

    def split(self, block: bytes, starts: Places, ends: Places) -> tuple[list[Group], Places]:
        """Lines in groups of one layout each, and those that have none; ``starts`` and ``ends`` are theirs in the block, ascending."""
        if not _is_text(block):
            return [], np.arange(len(starts))
        lines = _Lines(block, starts, ends)
        left = lines.usable
        groups: list[Group] = []
        for layout in [*self._known]:
            left = self._grouped(layout, lines, left, groups)
        odd: list[int] = []
        for _ in range(_LEARNT_MAX):
            if not len(left):
                break
            first = int(left[0])
            fresh = learnt(block[starts[first] : ends[first]])
            if fresh is None:
                odd.append(first)
                left = left[1:]
                continue
            before = len(left)
            left = self._grouped(fresh, lines, left, groups)
            assert len(left) < before, "a line has the layout that was learnt from it"
            self._known.append(fresh)
        # The layouts that were of use last are tried first.
        self._known = [group.layout for group in sorted(groups, key=lambda group: -len(group.rows))][:_KNOWN_MAX]
        grouped = np.zeros(len(starts), bool)
        for group in groups:
            grouped[group.rows] = True
        return groups, np.flatnonzero(~grouped)

    def _grouped(self, layout: Layout, lines: _Lines, left: Places, groups: list[Group]) -> Places:
        """What is left once the lines of a layout are in a group."""
        if not len(left):
            return left
        fits, columns = lines.read(layout, left)
        if columns:
            groups.append(Group(layout, left[fits], columns))
        return left[~fits]


class _Lines:
    """The lines of a block, with where their quotes are."""

    def __init__(self, block: bytes, starts: Places, ends: Places) -> None:
        self._block, self._starts, self._ends = block, starts, ends
        # What stands behind the last line, such as the beginning of the next one, has quotes of its own.
        data = np.frombuffer(block, np.uint8, count=int(ends[-1]) if len(ends) else 0)
        self._quotes = np.flatnonzero(data == _QUOTE)
        #: Lines that may have a layout.
        self.usable = np.flatnonzero(~_has_odd(data, starts, ends) & (ends > starts))
        each = len(self._quotes) // len(starts) if len(starts) else 0
        table = self._quotes[: each * len(starts)].reshape(len(starts), each)
        #: Where all lines have the same number of quotes, a row of them for each line.
        self._table = None
        if each and table.size == len(self._quotes) and np.all((table[:, 0] >= starts) & (table[:, -1] < ends)):
            self._table = table
            return
        self._first = np.searchsorted(self._quotes, starts)
        self._count = np.searchsorted(self._quotes, ends) - self._first

    def read(self, layout: Layout, rows: Places) -> tuple[npt.NDArray[np.bool_], list[pa.Array]]:
        """Which of these lines have a layout, and what is in the holes of those; no columns where there is none."""
        fits = np.full(len(rows), self._table is not None and self._table.shape[1] == layout.quotes)
        if self._table is None:
            fits = self._count[rows] == layout.quotes
        if not fits.any():
            return fits, []
        edges = self._edges(layout, rows[fits])
        alike = np.ones(edges.shape[1], bool)
        for place, constant in enumerate(layout.constants):
            alike &= edges[2 * place + 1] - edges[2 * place] == len(constant)
        for hole in range(len(layout.begins)):
            alike &= edges[2 * hole + 2] >= edges[2 * hole + 1]
        pieces, width = self._pieces(edges if alike.all() else edges[:, alike]), len(edges)
        same = _as_constant(pieces, width, b"".join(layout.constants))
        alike[alike] = same
        fits[fits] = alike
        chosen = np.flatnonzero(same)
        if not len(chosen):
            return fits, []
        # All holes at once, hole by hole.
        holes = np.arange(1, width - 1, 2)
        taken = pc.take(pieces, pa.array((chosen * width + holes[:, None]).ravel()), boundscheck=False)
        return fits, [taken.slice(place * len(chosen), len(chosen)) for place in range(len(holes))]

    def _edges(self, layout: Layout, rows: Places) -> npt.NDArray[np.int32]:
        """Where each line starts, where each of its holes begins and ends, and where it ends: a row of those of all lines each."""
        table, starts, ends = self._table, self._starts[rows], self._ends[rows]
        if table is not None:
            table = table if len(rows) == len(table) else table[rows]
        else:
            first = self._first[rows]

        def at(quote: int) -> Places:
            if quote < 0:
                return starts
            if quote == layout.quotes:
                return ends
            found: Places = self._quotes[first + quote] if table is None else table[:, quote]
            return found

        edges = np.empty((2 * len(layout.begins) + 2, len(rows)), np.int32)
        edges[0], edges[-1] = starts, ends
        for hole, ((begin, behind), (end, before)) in enumerate(zip(layout.begins, layout.ends, strict=True)):
            np.add(at(begin), behind, out=edges[2 * hole + 1], casting="same_kind")
            np.subtract(at(end), before, out=edges[2 * hole + 2], casting="same_kind")
        return edges

    def _pieces(self, edges: npt.NDArray[np.int32]) -> pa.Array:
        """The texts between all edges, line by line: constants and holes by turns, and what is between two lines."""
        buffers = [None, pa.py_buffer(np.ascontiguousarray(edges.T)), pa.py_buffer(self._block)]
        return pa.Array.from_buffers(pa.utf8(), max(0, edges.size - 1), buffers)


def _has_odd(data: npt.NDArray[np.uint8], starts: Places, ends: Places) -> npt.NDArray[np.bool_]:
    """Which lines have a backslash or a control character."""
    is_odd = (data < _SPACE) & (data != _LF)
    is_odd |= data == _BACKSLASH
    if not is_odd.any():
        return np.zeros(len(starts), bool)
    odd = np.flatnonzero(is_odd)
    found: npt.NDArray[np.bool_] = np.searchsorted(odd, ends) > np.searchsorted(odd, starts)
    return found


def _as_constant(pieces: pa.Array, width: int, constant: bytes) -> npt.NDArray[np.bool_]:
    """Of which lines, each ``width`` pieces, every second piece, and so all that is no hole, is the same as in the layout.

    Together these are as long as the constant in all lines.
    """
    lines = (len(pieces) + 1) // width
    at = np.arange(lines)[:, None] * width + np.arange(0, width - 1, 2)
    shown = pc.take(pieces, pa.array(at.ravel()), boundscheck=False).buffers()[2] or pa.py_buffer(b"")
    if shown.equals(pa.py_buffer(constant * lines)):
        return np.ones(lines, bool)
    same: npt.NDArray[np.bool_] = np.all(
        np.frombuffer(shown, np.uint8).reshape(lines, len(constant)) == np.frombuffer(constant, np.uint8), axis=1
    )
    return same


def _is_text(block: bytes) -> bool:
    # Cut at its quotes, every piece of UTF-8 is that as well.
    edges = pa.py_buffer(np.array([0, len(block)], np.int32))
    try:
        pa.Array.from_buffers(pa.utf8(), 1, [None, edges, pa.py_buffer(block)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
