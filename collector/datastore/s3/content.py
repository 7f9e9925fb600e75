"""The bytes of an object as events, portion by portion, each of whole records.

A portion says how far it goes, in plain bytes and records. Who begins there again gives what comes behind it, and the same as the first
time: what was compressed is inflated from its beginning for that, and passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from collector.datastore.inflate import Damaged
from collector.datastore.layouts import Places
from collector.datastore.lines import Cut
from collector.datastore.parsing import Parsing
from collector.datastore.records import Records
from collector.readings import DeadLetter
from meterbook.wire.sections import EVENTS


@dataclass(frozen=True)
class Position:
    """How far an object was read: plain bytes, records, whether a record that is too long goes on there, and what it began with.

    ``header`` is the first record where that names the columns of the others. What is read by rows has no offset.
    """

    offset: int = 0
    records: int = 0
    skipping: bool = False
    header: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"offset": self.offset, "records": self.records, "skipping": self.skipping, "header": self.header}


def from_json(document: Mapping[str, Any]) -> Position:
    """From the checkpoint."""
    return Position(document["offset"], document["records"], document["skipping"], document["header"])


@dataclass(frozen=True)
class Portion:
    """Some of an object: its events (schema EVENTS), its dead letters, its plain bytes, and where it ends.

    ``damage`` is what is wrong with the rest, which cannot be read.
    """

    events: pa.Table
    letters: tuple[DeadLetter, ...]
    bytes: int
    at: Position
    is_last: bool
    damage: str = ""


#: Most records of a portion: a block of nothing but short ones has millions, and each that is no event becomes a dead letter.
RECORDS_MAX = 50_000


@dataclass(frozen=True)
class Cuts:
    """How an object is cut."""

    block_bytes: int
    record_bytes_max: int
    records_max: int = RECORDS_MAX


class Content:
    """One object that is read. ``place`` is how it is told in dead letters."""

    def __init__(self, parsing: Parsing, source: str, place: str, cuts: Cuts) -> None:
        self._parsing, self._source, self._place, self._cuts = parsing, source, place, cuts

    def portions(self, plain: Iterator[bytes], at: Position) -> Iterator[Portion]:
        """What the object says behind ``at``; the last portion says that it is. Raises what ``plain`` raises, but for damage."""
        rest, has_more = b"", False
        if at.header is not None:
            self._parsing.tell_header(at.header.encode("utf-8", "surrogateescape"))
        is_last = False
        blocks = _blocks(_behind(plain, at.offset), self._cuts.block_bytes)
        while True:
            try:
                block = b"" if has_more else next(blocks, b"")
                is_last = is_last if has_more else not block
                chunk = rest + block
                if is_last and chunk and not at.skipping and not has_more:
                    # The last record of a file needs no end.
                    chunk += b"\n"
                found, has_more = self._portion(at, chunk, is_last=is_last)
            except Damaged as error:
                letter = DeadLetter(self._source, f"{self._place}:{at.records + 1}", str(error), "")
                yield Portion(EVENTS.empty_table(), (letter,), 0, at, is_last=True, damage=str(error))
                return
            yield found
            rest = chunk[found.at.offset - at.offset :]
            at = found.at
            if found.is_last:
                return

    def _portion(self, at: Position, chunk: bytes, *, is_last: bool) -> tuple[Portion, bool]:
        """What the next bytes say, and whether there are more records in them. Raises Damaged where they do not begin as they must."""
        cut = self._parsing.cut(
            chunk,
            at.offset,
            skipping=at.skipping,
            record_bytes_max=self._cuts.record_bytes_max,
            records_max=self._cuts.records_max,
            is_last=is_last,
        )
        has_more = cut.lines == self._cuts.records_max and cut.offset - at.offset < len(chunk)
        starts = np.sort(np.concatenate([cut.starts, np.array([head.start for head in cut.heads], np.int64)]))
        after = replace(at, offset=cut.offset, records=at.records + len(starts), skipping=cut.skipping)
        if self._parsing.needs_header and len(starts):
            cut, after = self._without_header(cut, chunk, after)
        events, letters = self._read(cut, chunk, at, starts)
        return Portion(events, letters, cut.offset - at.offset, after, is_last and not has_more), has_more

    def _without_header(self, cut: Cut, chunk: bytes, after: Position) -> tuple[Cut, Position]:
        """The other records of the first block."""
        if not len(cut.starts) or (cut.heads and cut.heads[0].start < cut.starts[0]):
            raise Damaged("its header is too long")
        header = chunk[cut.starts[0] : cut.ends[0]]
        try:
            self._parsing.tell_header(header)
        except ValueError as error:
            raise Damaged(f"its header cannot be used: {error}") from error
        told = header.decode("utf-8", "surrogateescape")
        return replace(cut, starts=cut.starts[1:], ends=cut.ends[1:]), replace(after, header=told)

    def _read(self, cut: Cut, chunk: bytes, at: Position, starts: Places) -> tuple[pa.Table, tuple[DeadLetter, ...]]:
        if not cut.lines:
            return EVENTS.empty_table(), ()

        def numbers(chosen: Places) -> Places:
            found: Places = at.records + 1 + np.searchsorted(starts, chosen)
            return found

        too_long = f"the line is longer than line_bytes_max {self._cuts.record_bytes_max}"
        records = Records(self._parsing.reader(numbers))
        records.add(
            chunk,
            cut.starts,
            cut.ends,
            lambda start: f"{self._place}:{numbers(np.array([start]))[0]}",
            {head.start: (head.text, too_long) for head in cut.heads},
        )
        return records.table(), tuple(records.letters)


def _behind(plain: Iterator[bytes], offset: int) -> Iterator[bytes]:
    for portion in plain:
        if offset >= len(portion):
            offset -= len(portion)
            continue
        yield portion[offset:]
        offset = 0


def _blocks(plain: Iterator[bytes], block_bytes: int) -> Iterator[bytes]:
    """Portions put together until they are as long as a block; what came before damage is given first."""
    pieces: list[bytes] = []
    length = 0
    try:
        for portion in plain:
            pieces.append(portion)
            length += len(portion)
            if length >= block_bytes:
                yield b"".join(pieces)
                pieces, length = [], 0
    except Damaged:
        if pieces:
            yield b"".join(pieces)
        raise
    if pieces:
        yield b"".join(pieces)
