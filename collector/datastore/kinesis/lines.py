"""The records of a collection as one block of lines, each of which is found again by its record and its number in it.

A record holds one line or several; each piece of it ends a line. Where a record has more lines than a collection takes, its rest is
taken by the next one, so the place in a stream is a record and a number of lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.kinesis.payloads import Refused
from collector.datastore.layouts import Places
from collector.datastore.records import Records

_LF = ord("\n")


@dataclass(frozen=True)
class Taken:
    """How many lines of a record were taken, and whether that is all of them."""

    lines: int
    is_whole: bool


class Lines:
    """Lines of one collection of a source; ``count`` of them were taken so far."""

    def __init__(self, source: str, line_bytes_max: int) -> None:
        self._source, self._line_bytes_max = source, line_bytes_max
        self._block = bytearray()
        self._refused: dict[int, tuple[bytes, str]] = {}
        #: Per record where it begins in the block, its sequence number, and the number of its first line there.
        self._records: list[tuple[int, str, int]] = []
        self.count = 0

    @property
    def size_bytes(self) -> int:
        """Bytes that were taken."""
        return len(self._block)

    def take(self, sequence: str, pieces: Iterable[bytes | Refused], skip: int, lines_max: int) -> Taken:
        """Take lines of a record, at most so many, behind the first ``skip``."""
        text = bytearray()
        refused: dict[int, Refused] = {}
        for piece in pieces:
            if isinstance(piece, Refused):
                # An empty line stands for it.
                refused[len(text)] = piece
                text += b"\n"
            elif piece:
                text += piece if piece.endswith(b"\n") else piece + b"\n"
        behind = np.flatnonzero(np.frombuffer(text, np.uint8) == _LF) + 1
        taken = max(0, min(len(behind) - skip, lines_max))
        if taken:
            start = int(behind[skip - 1]) if skip else 0
            stop = int(behind[skip + taken - 1])
            at = len(self._block)
            self._records.append((at, sequence, skip + 1))
            self._refused |= {
                at + place - start: (each.head, each.reason) for place, each in refused.items() if start <= place < stop
            }
            self._block += text[start:stop]
            self.count += taken
        return Taken(taken, skip + taken >= len(behind))

    def names(self, starts: Places) -> pa.Array:
        """How the lines that start at these places of the block are found again (utf8): ``<source>@<sequence number>#<line>``, from 1."""
        begins = np.array([begin for begin, _, _ in self._records], np.int64)
        row = np.searchsorted(begins, starts, side="right") - 1
        first = np.array([number for _, _, number in self._records], np.int64)[row]
        lines = self._starts_and_ends[0]
        number = first + np.searchsorted(lines, starts) - np.searchsorted(lines, begins[row])
        sequence = pa.array([sequence for _, sequence, _ in self._records], pa.utf8()).take(pa.array(row))
        return pc.binary_join_element_wise(f"{self._source}@", sequence, "#", pa.array(number).cast(pa.utf8()), "")

    def read_into(self, records: Records) -> None:
        """Have the lines read."""
        block = bytes(self._block)
        starts, ends = self._starts_and_ends
        refused = dict(self._refused)
        lengths = ends - starts
        for row in np.flatnonzero(lengths > self._line_bytes_max).tolist():
            begin = int(starts[row])
            head = block[begin : begin + self._line_bytes_max]
            refused[begin] = (head, f"the line is longer than line_bytes_max {self._line_bytes_max}")
        readable = (lengths > 0) & (lengths <= self._line_bytes_max)
        if readable.any() or refused:
            records.add(block, starts[readable], ends[readable], self._name, refused)

    def _name(self, start: int) -> str:
        return str(self.names(np.array([start]))[0])

    @cached_property
    def _starts_and_ends(self) -> tuple[Places, Places]:
        """Of the lines, once all are taken."""
        ends = np.flatnonzero(np.frombuffer(bytes(self._block), np.uint8) == _LF)
        return np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1]), ends
