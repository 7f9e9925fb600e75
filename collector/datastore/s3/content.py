"""The bytes of an object as events, portion by portion, each of whole lines.

A portion says how far it goes, in plain bytes and lines. Who begins there again gives what comes behind it, and the same as the first
time: what was compressed is inflated from its beginning for that, and passed over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from collector.datastore.inflate import Damaged
from collector.datastore.lines import cut
from collector.datastore.records import RecordReader, Records
from collector.readings import DeadLetter


@dataclass(frozen=True)
class Position:
    """How far an object was read: plain bytes, lines, and whether a line that is too long goes on there."""

    offset: int = 0
    lines: int = 0
    skipping: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"offset": self.offset, "lines": self.lines, "skipping": self.skipping}


def from_json(document: Mapping[str, Any]) -> Position:
    """From the checkpoint."""
    return Position(document["offset"], document["lines"], document["skipping"])


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


@dataclass(frozen=True)
class Cuts:
    """How an object is cut."""

    block_bytes: int
    line_bytes_max: int


def portions(plain: Iterator[bytes], reader: RecordReader, place: str, at: Position, cuts: Cuts) -> Iterator[Portion]:
    """What an object says behind ``at``; the last portion says that it is. Raises what ``plain`` raises, but for damage."""
    rest = b""
    blocks = _blocks(_behind(plain, at.offset), cuts.block_bytes)
    while True:
        try:
            block = next(blocks, b"")
        except Damaged as error:
            yield _portion(reader, place, at, rest, cuts, is_last=True, damage=str(error))
            return
        is_last = not block
        chunk = rest + block
        if is_last and chunk and not at.skipping:
            # The last line of a file needs no end.
            chunk += b"\n"
        found = _portion(reader, place, at, chunk, cuts, is_last=is_last)
        rest = chunk[found.at.offset - at.offset :]
        at = found.at
        yield found
        if is_last:
            return


def _portion(
    reader: RecordReader, place: str, at: Position, chunk: bytes, cuts: Cuts, *, is_last: bool, damage: str = ""
) -> Portion:
    pieces = cut(
        chunk, at.offset, skipping=at.skipping, line_bytes_max=cuts.line_bytes_max, lines_max=max(1, len(chunk))
    )
    starts = sorted([*pieces.starts.tolist(), *(head.start for head in pieces.heads)]) if pieces.lines else []

    def line(start: int) -> str:
        return f"{place}:{at.lines + bisect_left(starts, start) + 1}"

    too_long = f"the line is longer than line_bytes_max {cuts.line_bytes_max}"
    records = Records(reader)
    records.add(chunk, pieces.starts, pieces.ends, line, {head.start: (head.text, too_long) for head in pieces.heads})
    if damage:
        records.letters.append(DeadLetter(reader.source, f"{place}:{at.lines + pieces.lines + 1}", damage, ""))
    after = Position(pieces.offset, at.lines + pieces.lines, pieces.skipping)
    return Portion(records.table(), tuple(records.letters), pieces.offset - at.offset, after, is_last, damage)


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
