"""The fields of many messages, read side by side.

Each message has a cursor, and each step moves all cursors over one field, so the steps are as many as the longest message has
fields. Messages of one kind are nearly the same, so most steps meet one tag only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from collector.exposition.protobuf.malformed import Malformed
from collector.exposition.protobuf.messages import FIXED, LENGTH, VARINT, Message, check_tag
from collector.exposition.protobuf.varints import Bytes, Places, Unsigned, varints

#: Most fields of one message below a family. A native histogram has one for each of its buckets, a few hundred at most;
#: a message with millions would be a step for each.
FIELDS_MAX = 4_096

#: Tags from here on are of fields that no message has.
_TAGS = 16 * 8 + 8


@dataclass(frozen=True)
class Found:
    """The occurrences of one field: in which message (its index), where its tag begins, and where its content is."""

    owners: Places
    begins: Places
    starts: Places
    stops: Places

    def __len__(self) -> int:
        return len(self.owners)

    def in_order(self) -> Found:
        """In the order of the page: by message, and within one as they stand there."""
        if np.all(self.begins[1:] > self.begins[:-1]):
            return self
        order = np.argsort(self.begins, kind="stable")
        return Found(self.owners[order], self.begins[order], self.starts[order], self.stops[order])

    def where(self, chosen: npt.NDArray[np.bool_]) -> Found:
        """Some of them."""
        if chosen.all():
            return self
        return Found(self.owners[chosen], self.begins[chosen], self.starts[chosen], self.stops[chosen])

    def last(self, count: int) -> tuple[Places, Places]:
        """Start and stop in each of ``count`` messages, of the last occurrence; -1 where there is none."""
        starts, stops = np.full(count, -1), np.full(count, -1)
        starts[self.owners], stops[self.owners] = self.starts, self.stops
        return starts, stops

    def counts(self, count: int) -> Places:
        """How many occurrences each of ``count`` messages has."""
        return np.bincount(self.owners, minlength=count).astype(np.int64)


_Piece = tuple[Places, Places, Places, Places]


def fields(data: Bytes, starts: Places, stops: Places, message: Message) -> Mapping[str, Found]:
    """The known fields of messages of one kind, by name. Raises Malformed."""
    pieces: dict[int, list[_Piece]] = {number: [] for number in message.fields}
    owners = np.flatnonzero(starts < stops)
    begins, ends = starts[owners], stops[owners]
    for _ in range(FIELDS_MAX):
        if not len(owners):
            break
        tags, at = varints(data, begins, ends)
        behind = np.empty_like(at)
        for tag, some in _by_tag(tags):
            number, wire = divmod(tag, 8)
            check_tag(message, number, wire, int(begins[some][0]))
            content, after = _content(data, at[some], ends[some], wire, begins[some])
            behind[some] = after
            if number in pieces:
                pieces[number].append((owners[some], begins[some], content, after))
        left = behind < ends
        if left.all():
            begins = behind
        else:
            owners, begins, ends = owners[left], behind[left], ends[left]
    if len(owners):
        raise Malformed(int(begins[0]), f"is beyond the {FIELDS_MAX} fields that a {message.name} may have")
    found = {name.name: _joined(pieces[number]) for number, name in message.fields.items()}
    for name in message.single:
        _check_single(message, name, found[name])
    return found


def check(data: Bytes, found: Found, message: Message) -> None:
    """Look through messages of which nothing is kept, and those inside. Raises Malformed where one breaks the encoding."""
    if not len(found):
        return
    inner = fields(data, found.starts, found.stops, message)
    for field in message.fields.values():
        if field.message is not None:
            check(data, inner[field.name], field.message)


def _by_tag(tags: Unsigned) -> Iterator[tuple[int, slice | npt.NDArray[np.bool_]]]:
    """Each tag, and which messages have it; what no message knows goes by its wire type alone."""
    if np.all(tags == tags[0]):
        yield int(tags[0]), slice(None)
        return
    known = np.where(tags < _TAGS, tags, _TAGS + (tags & np.uint64(7))).astype(np.int64)
    for tag in np.flatnonzero(np.bincount(known)).tolist():
        yield tag, known == tag


def _content(data: Bytes, at: Places, ends: Places, wire: int, begins: Places) -> tuple[Places, Places]:
    """Where the contents of fields of one wire type begin and end."""
    if wire == VARINT:
        return at, varints(data, at, ends)[1]
    if wire == LENGTH:
        lengths, at = varints(data, at, ends)
        _refuse(begins, lengths > (ends - at).astype(np.uint64))
        return at, at + lengths.astype(np.int64)
    after = at + FIXED[wire]
    _refuse(begins, after > ends)
    return at, after


def _refuse(begins: Places, beyond: npt.NDArray[np.bool_]) -> None:
    if beyond.any():
        _cut(int(begins[beyond][0]))


def _cut(at: int) -> NoReturn:
    raise Malformed(at, "begins a field that is longer than the message around it")


def _joined(pieces: list[_Piece]) -> Found:
    if len(pieces) == 1:
        return Found(*pieces[0])
    if not pieces:
        none = np.empty(0, np.int64)
        return Found(none, none, none, none)
    return Found(*(np.concatenate(column) for column in zip(*pieces, strict=True)))


def _check_single(message: Message, name: str, found: Found) -> None:
    counts = np.bincount(found.owners) if len(found) else found.owners
    if len(counts) and counts.max() > 1:
        twice = found.begins[found.owners == counts.argmax()]
        raise Malformed(int(twice[1]), f"begins another {name} in the same {message.name}")
