"""A page as columns: its heads, values and times, with the layout remembered from page to page.

A :class:`Layout` is the same object for as long as a target exposes the same heads with the same declarations, so whoever
worked something out about it can keep that by identity. When a page differs, only what it adds is new: ``kept`` tells where each
head stood before.

A page counts only if it is whole: it has its last line feed, in OpenMetrics its ``# EOF``, and of messages the last one ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.errors import PermanentError, TransientError
from collector.exposition.declarations import Family, NoDeclaration, declared
from collector.exposition.lines import Lines, NoSample, split
from collector.exposition.page import Format, Page
from collector.exposition.protobuf.malformed import CutOff, Malformed, TooLarge
from collector.exposition.protobuf.reader import MessageReader
from collector.exposition.values import Floats, NotNumbers, Times, parse_values

_EOF = re.compile(rb"(?:\A|\n)# EOF\r?\n\Z")
_CRLF = re.compile(rb"\r+\n")
_LINE_SHOWN = 200


@dataclass(frozen=True, eq=False)
class Layout:
    """What a page says apart from its numbers: texts, of which those at ``samples`` are heads, and the families."""

    texts: pa.Array
    samples: npt.NDArray[np.int64]
    families: Mapping[str, Family]

    @property
    def heads(self) -> pa.Array:
        """The head of each sample, perhaps with blanks behind it; made anew each time, since nearly nobody asks."""
        return self.texts.take(pa.array(self.samples))

    def some_heads(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """The heads of some samples."""
        heads: list[str] = self.texts.take(pa.array(self.samples[rows])).to_pylist()
        return heads

    def __len__(self) -> int:
        return len(self.samples)

    def places_in(self, other: Layout) -> npt.NDArray[np.int64]:
        """For each head its place among those of another layout; -1 for a new one."""
        known = other.heads.dictionary_encode()
        _, first = np.unique(known.indices.to_numpy(), return_index=True)
        found = pc.index_in(self.heads, value_set=known.dictionary).fill_null(-1).to_numpy()
        places: npt.NDArray[np.int64] = np.append(first, -1)[found]
        return places


@dataclass(frozen=True)
class Rows:
    """One page: its layout, and of each sample the value, the time in microseconds, and the created time in seconds since 1970.

    Of the latter two there are none where no sample has one; a single sample without one has NO_TIME and NaN. Only protobuf gives
    a created time with the sample; in the other formats it is a sample of its own.
    """

    layout: Layout
    values: Floats
    times_us: Times | None
    created_s: Floats | None = None


class PageReader:
    """Reads the pages of one target, one after the other."""

    def __init__(self, place: str, samples_max: int) -> None:
        """``place`` is what errors name."""
        self._place = place
        self._samples_max = samples_max
        self._known: tuple[Layout, Lines, Format] | None = None
        self._messages = MessageReader(samples_max)
        self._layout: Layout | None = None

    def read(self, page: Page) -> Rows:
        """The page as columns. Raises PermanentError naming the line or byte, TransientError where it was cut off."""
        if not page.body:
            raise PermanentError(f"{self._place} answered an empty page")
        if page.format == "protobuf":
            return self._of_messages(page)
        body = _with_plain_ends(self._whole(page))
        if self._known is not None and self._known[2] == page.format:
            layout, lines, _ = self._known
            rests = lines.rests(body)
            if rests is not None:
                try:
                    return Rows(layout, *parse_values(rests, page.format))
                except NotNumbers:
                    pass  # more blanks than before perhaps: taken apart anew, it is understood or named
        return self._anew(page, body)

    def _anew(self, page: Page, body: bytes | bytearray) -> Rows:
        if b"\r\n" in body:
            body = _CRLF.sub(b"\n", body)
        try:
            lines, rests = split(body, page.format)
        except NoSample as error:
            raise self._no_sample(body, error.line) from None
        except pa.ArrowInvalid:
            raise PermanentError(f"{self._place} answered bytes that are not UTF-8") from None
        if len(rests) > self._samples_max:
            raise PermanentError(f"{self._place} exposes more than samples_max {self._samples_max} samples")
        comments = lines.texts.take(pa.array(lines.comments)).to_pylist()
        if page.format == "openmetrics":
            comments.pop()
        try:
            families = declared(comments, page.format)
        except NoDeclaration as error:
            shown = comments[error.index][:_LINE_SHOWN]
            line = int(lines.comments[error.index]) + 1
            raise PermanentError(f"{self._place} line {line} is not a declaration: {shown!r}") from None
        try:
            values, times_us = parse_values(rests, page.format)
        except NotNumbers:
            raise self._no_sample(body, self._first_odd(lines, rests, page)) from None
        layout = Layout(lines.texts, lines.samples, families)
        self._known = (layout, lines, page.format)
        return Rows(layout, values, times_us)

    def _of_messages(self, page: Page) -> Rows:
        try:
            found = self._messages.read(page.body)
        except CutOff as error:
            raise TransientError(f"{self._place} answered a page that was cut off: {error}") from None
        except Malformed as error:
            raise PermanentError(f"{self._place} answered what is no page of metrics in protobuf: {error}") from None
        except TooLarge as error:
            raise PermanentError(f"{self._place} {error}") from None
        layout = self._layout
        if layout is None or layout.texts is not found.heads or layout.families is not found.families:
            layout = Layout(found.heads, np.arange(len(found.heads)), found.families)
            self._layout = layout
        return Rows(layout, found.values, found.times_us, found.created_s)

    def _whole(self, page: Page) -> bytes | bytearray:
        """The lines of a page whose end is seen to be there."""
        body = page.body
        if page.format == "openmetrics":
            if not body.endswith(b"\n"):
                body = bytes(body) + b"\n"
            if _EOF.search(body, max(0, len(body) - 16)) is None:
                raise TransientError(f"{self._place} answered a page without # EOF at its end: it was cut off")
        elif not body.endswith(b"\n"):
            raise TransientError(f"{self._place} answered a page whose last line does not end: it was cut off")
        return body

    def _first_odd(self, lines: Lines, rests: pa.Array, page: Page) -> int:
        """The line of the first sample that is neither value nor time."""
        for index in range(len(rests)):
            try:
                parse_values(rests.slice(index, 1), page.format)
            except NotNumbers:
                return int(lines.samples[index])
        raise AssertionError("what is wrong with all rows is wrong with one of them")

    def _no_sample(self, body: bytes | bytearray, line: int) -> PermanentError:
        text = bytes(body).split(b"\n", line + 1)[line].decode("utf-8", "backslashreplace")
        return PermanentError(f"{self._place} line {line + 1} is not a sample: {text[:_LINE_SHOWN]!r}")


def _with_plain_ends(body: bytes | bytearray) -> bytes | bytearray:
    """The page with line feeds alone at the ends of its lines, where the first line has more: then it is worth a look at all."""
    end = body.find(b"\n")
    return _CRLF.sub(b"\n", body) if end > 0 and body[end - 1] == 0x0D else body
