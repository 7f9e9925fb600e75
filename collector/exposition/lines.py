r"""A page taken apart by lines, without looking at them one by one.

Both formats, Prometheus text 0.0.4 and OpenMetrics 1.0, share their lines::

    http_requests_total{path="/",code="200"} 1027 1395066363000 # {trace_id="x"} 0.5
    `------------- head ------------------' `------------- rest --------------------'

Where the lines end is one comparison over all bytes, where the heads end a few more. A text that is cut at known places is an
Arrow array over the very bytes of the page: three pieces a line (head and the blanks behind it, rest, line feed), of
which one kind is taken at a time.

The way that is gone for nearly every page is shorter still. The lengths of the heads are known from the page before, so
the page is cut there, and one comparison of all heads tells whether it is the same layout. If not, it is taken apart anew.

Only LF ends a line: label values may hold every other character that some call a line break.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.exposition.heads import NAME
from collector.exposition.page import Format

_LF, _SPACE, _TAB, _HASH, _CLOSING = b"\n \t#}"
_ODD_HEAD = re.compile(
    rf"[ \t]*(?:{NAME}(?=[ \t])|(?:{NAME}[ \t]*)?\{{[^\"}}]*+(?:\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\"[^\"}}]*+)*+\}})[ \t]*",
    re.DOTALL,
)

#: So much is looked at together where a copy is made on the way, so that the copy stays small.
_LINES_AT_ONCE, _BYTES_AT_ONCE = 8_192, 1 << 19

Offsets = npt.NDArray[np.int32]


class NoSample(ValueError):
    """A line that cannot be taken apart; ``line`` counts from 0."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True)
class Lines:
    """How the lines of a page are laid out.

    ``texts`` has for each line what comes again from page to page: of a sample the head with the blanks behind it, of
    a comment all. ``samples`` and ``comments`` are their places among the lines.
    """

    lengths: Offsets
    texts: pa.Array
    samples: npt.NDArray[np.int64]
    comments: npt.NDArray[np.int64]

    def rests(self, body: bytes | bytearray) -> pa.Array | None:
        """What stands behind the heads of a page, if it has this layout; else None."""
        ends = _line_ends(body)
        if len(ends) != len(self.lengths):
            return None
        starts = _line_starts(ends)
        cuts = starts + self.lengths
        if np.any(cuts > ends) or np.any(cuts[self.comments] != ends[self.comments]):
            return None
        pieces = _pieces(body, starts, cuts, ends)
        # A few lines at a time: what is compared is copied first.
        for first in range(0, len(ends), _LINES_AT_ONCE):
            some = pieces.slice(3 * first, 3 * _LINES_AT_ONCE)
            if not some.take(_every_third(len(some) // 3)).equals(self.texts.slice(first, _LINES_AT_ONCE)):
                return None
        return pieces.take(pa.array(3 * self.samples + 1))


def split(body: bytes | bytearray, kind: Format) -> tuple[Lines, pa.Array]:
    """The layout of a page that ends with a line feed, and what stands behind its heads. Raises NoSample.

    Raises pa.ArrowInvalid where the page is not UTF-8.
    """
    data = np.frombuffer(body, np.uint8)
    ends = _line_ends(body)
    starts = _line_starts(ends)
    # An empty line has its line feed here.
    is_comment = (data[starts] == _HASH) | (data[starts] == _LF)
    cuts = _cuts(body, data, starts, ends, is_comment, kind)
    pieces = _pieces(body, starts, cuts, ends)
    texts = pieces.take(_every_third(len(ends)))
    texts.validate(full=True)
    samples = np.flatnonzero(~is_comment)
    lines = Lines((cuts - starts).astype(np.int32), texts, samples, np.flatnonzero(is_comment))
    return lines, pieces.take(pa.array(3 * samples + 1))


def _cuts(
    body: bytes | bytearray,
    data: npt.NDArray[np.uint8],
    starts: Offsets,
    ends: Offsets,
    is_comment: npt.NDArray[np.bool_],
    kind: Format,
) -> Offsets:
    """Per line where its rest begins, behind the head and the blanks; of a comment it is its end.

    Nothing behind the labels holds a closing brace, but for an exemplar, so the last one ends the head. Lines that
    may have an exemplar, or more than one blank, are rare, and are looked at one by one.
    """
    blanks = np.flatnonzero((data == _SPACE) | (data == _TAB))
    closing = np.flatnonzero(data == _CLOSING)
    last = np.append(closing, -1)[np.searchsorted(closing, ends) - 1]
    first = np.append(blanks, len(data))[np.searchsorted(blanks, starts)]
    heads_end = np.where(last >= starts, last + 1, np.minimum(first, ends)).astype(np.int32)
    cuts = np.minimum(heads_end + 1, ends)
    one_blank = (data[heads_end] == _SPACE) & ~np.isin(data[cuts], (_SPACE, _TAB))
    odd = ~is_comment & (~one_blank | (data[starts] == _SPACE) | (data[starts] == _TAB))
    if kind == "openmetrics":
        hashes = np.flatnonzero(data == _HASH)
        odd |= ~is_comment & (np.searchsorted(hashes, starts) < np.searchsorted(hashes, ends))
    cuts[is_comment] = ends[is_comment]
    for line in np.flatnonzero(odd).tolist():
        start, end = int(starts[line]), int(ends[line])
        text = bytes(body[start:end]).decode("utf-8", "surrogateescape")
        found = _ODD_HEAD.match(text)
        if found is None:
            # Blanks at the front mean nothing, neither before a sample nor before a comment.
            if text.strip(" \t\r") and not text.lstrip(" \t").startswith("#"):
                raise NoSample(line)
            is_comment[line], cuts[line] = True, end
            continue
        cuts[line] = start + len(found[0].encode("utf-8", "surrogateescape"))
    return cuts.astype(np.int32)


def _line_ends(body: bytes | bytearray) -> Offsets:
    data = np.frombuffer(body, np.uint8)
    parts = [
        np.flatnonzero(data[start : start + _BYTES_AT_ONCE] == _LF) + start
        for start in range(0, len(data), _BYTES_AT_ONCE)
    ]
    return np.concatenate(parts).astype(np.int32) if parts else np.empty(0, np.int32)


def _line_starts(ends: Offsets) -> Offsets:
    return np.concatenate([np.zeros(min(len(ends), 1), np.int32), ends[:-1] + np.int32(1)])


def _pieces(body: bytes | bytearray, starts: Offsets, cuts: Offsets, ends: Offsets) -> pa.Array:
    """Three texts a line: up to the cut, up to its end, and the line feed."""
    edges = np.empty(3 * len(starts) + 1, np.int32)
    edges[0:-1:3], edges[1::3], edges[2::3], edges[-1] = starts, cuts, ends, len(body)
    return pa.Array.from_buffers(pa.utf8(), 3 * len(starts), [None, pa.py_buffer(edges), pa.py_buffer(body)])


def _every_third(lines: int) -> pa.Array:
    return pa.array(np.arange(0, 3 * lines, 3, dtype=np.int64))
