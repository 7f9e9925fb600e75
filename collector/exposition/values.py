"""What stands behind the heads: values, times and exemplars, as columns.

Numbers are read by Arrow, a hundred thousand in a millisecond. It takes exactly what the formats do (decimals with
exponents, infinities and NaN in any case and with a sign; no underscores, no hexadecimal), but for ``nan(...)``, which is
refused here. Exemplars are cut off: a meter has no use for them.
"""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.exposition.heads import NAME
from collector.exposition.page import Format

#: Stands for "the page gives no time".
NO_TIME = np.iinfo(np.int64).min

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]

_SPACE, _TAB, _HASH = b" \t#"
#: Labels, a value and perhaps a time ("OpenMetrics 1.0", section "ABNF", ``exemplar``).
_EXEMPLAR = re.compile(
    rf'[ \t]*\{{(?:(?:{NAME}|"(?:[^"\\]|\\.)*+")[ \t]*(?:=[ \t]*"(?:[^"\\]|\\.)*+")?[ \t]*,?[ \t]*)*+\}}[ \t]+\S+(?:[ \t]+\S+)?[ \t]*',
    re.DOTALL,
)
#: Seconds up to which a float64 tells one microsecond from the next: the year 2096.
_EXACT_S_MAX = 4e9
#: Milliseconds up to which a time fits into microseconds.
_MS_MAX = 10**15


class NotNumbers(ValueError):
    """Something that is neither value nor time; which row it is, nobody has looked yet."""


def parse_values(rests: pa.Array, kind: Format) -> tuple[Floats, Times | None]:
    """Values and times in microseconds (None where no row has one, ``NO_TIME`` where a row has none).

    ``rests`` are texts such as ``1027 1395066363000``. Raises NotNumbers.
    """
    ends = np.frombuffer(rests.buffers()[1], np.int32)[rests.offset : rests.offset + len(rests) + 1]
    data = rests.buffers()[2]
    if data is None or len(rests) == 0:
        if len(rests):
            raise NotNumbers
        return np.empty(0), None
    marks = _marks(np.frombuffer(data, np.uint8)[: ends[-1]], kind)
    marks = marks[marks >= ends[0]]
    if len(marks) == 0:
        return _floats(rests), None
    firsts = _first_of(marks, ends)
    values = _floats(_between(data, ends[:-1], firsts))
    return values, _times(data, firsts, ends, kind)


def _marks(data: npt.NDArray[np.uint8], kind: Format) -> Places:
    """Where blanks stand, and in OpenMetrics the sign before an exemplar."""
    is_mark = (data == _SPACE) | (data == _TAB)
    if kind == "openmetrics":
        is_mark |= data == _HASH
    return np.flatnonzero(is_mark)


def _first_of(marks: Places, ends: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Per row the first mark, or its end."""
    index = np.searchsorted(marks, ends[:-1])
    found = np.append(marks, np.iinfo(np.int32).max)[index]
    firsts: npt.NDArray[np.int32] = np.minimum(found, ends[1:]).astype(np.int32)
    return firsts


def _between(data: pa.Buffer, starts: npt.NDArray[np.int32], ends: npt.NDArray[np.int32]) -> pa.Array:
    """The texts from ``starts`` to ``ends``; both rise, and no text reaches into the next."""
    edges = np.empty(2 * len(starts) + 1, np.int32)
    edges[0:-1:2], edges[1::2], edges[-1] = starts, ends, ends[-1] if len(ends) else 0
    pieces = pa.Array.from_buffers(pa.utf8(), 2 * len(starts), [None, pa.py_buffer(edges), data])
    return pieces.take(pa.array(np.arange(0, 2 * len(starts), 2)))


def _floats(texts: pa.Array) -> Floats:
    try:
        values: Floats = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        raise NotNumbers from None
    nan = np.isnan(values)
    if nan.any() and pc.max(pc.binary_length(texts.filter(pa.array(nan)))).as_py() > len("-nan"):
        raise NotNumbers
    return values


def _times(data: pa.Buffer, starts: npt.NDArray[np.int32], ends: npt.NDArray[np.int32], kind: Format) -> Times | None:
    tails = _between(data, starts, ends[1:])
    if kind == "openmetrics":
        tails = _without_exemplars(tails)
    tails = pc.ascii_trim(tails, " \t")
    lengths = pc.binary_length(tails).to_numpy()
    timed = lengths > 0
    if not timed.any():
        return None
    texts = tails if timed.all() else tails.filter(pa.array(timed))
    times = np.full(len(tails), NO_TIME)
    times[timed] = _seconds_us(texts) if kind == "openmetrics" else _milliseconds_us(texts)
    return times


def _without_exemplars(tails: pa.Array) -> pa.Array:
    has = pc.match_substring(tails, "#")
    if not pc.any(has).as_py():
        return tails
    try:
        found = [tail.partition("#") for tail in tails.to_pylist()]
    except UnicodeDecodeError:
        # Of a page only the heads are known to be text; what no number is has not been looked at.
        raise NotNumbers from None
    if not all(_EXEMPLAR.fullmatch(exemplar) for _, sign, exemplar in found if sign):
        raise NotNumbers
    return pa.array([time for time, _, _ in found], pa.utf8())


def _milliseconds_us(texts: pa.Array) -> Times:
    # Arrow takes hexadecimal integers, too; a time has none.
    if pc.any(pc.match_substring(texts, "x", ignore_case=True)).as_py():
        raise NotNumbers
    try:
        times: Times = pc.cast(texts, pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        raise NotNumbers from None
    if times.max() > _MS_MAX or times.min() < -_MS_MAX:
        raise NotNumbers
    return times * 1_000


def _seconds_us(texts: pa.Array) -> Times:
    """To the nearest microsecond."""
    seconds = _floats(texts)
    if not np.all(np.abs(seconds) <= _MS_MAX / 1_000):
        raise NotNumbers
    if np.abs(seconds).max() < _EXACT_S_MAX:
        return np.rint(seconds * 1e6).astype(np.int64)
    return np.array([round(Decimal(text) * 1_000_000) for text in texts.to_pylist()], np.int64)
