"""A page of delimited messages as columns, by the shortest way that leads there.

1. The page before fits (:class:`~collector.exposition.protobuf.mold.Mold`): the numbers are picked up from their places.
2. Something has another length, a count that reached 128 perhaps: the metrics in which it stands are taken apart, the others are found
   where they moved to. If these are the same series, the heads stay the same object, and what others know of them holds.
3. There are other series, or many metrics changed: the page is taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from collector.exposition.declarations import Family
from collector.exposition.protobuf.delimited import Outline, outline
from collector.exposition.protobuf.heads import heads
from collector.exposition.protobuf.malformed import TooLarge
from collector.exposition.protobuf.messages import MetricType
from collector.exposition.protobuf.mold import Mold
from collector.exposition.protobuf.numbers import Numbers
from collector.exposition.protobuf.samples import Samples, samples
from collector.exposition.values import Floats, Times

_KINDS = {kind: kind.name.lower().replace("_", "") for kind in MetricType}
#: So many bytes of metrics are taken apart together, so that what is made on the way stays small.
_BYTES_AT_ONCE = 1 << 20
#: What heads may take: so much more than the page for each sample that is allowed, since histograms repeat labels, and so much together.
_REPEATED_BYTES_MAX, _HEADS_BYTES_MAX = 1_024, 1 << 30


@dataclass(frozen=True, eq=False)
class Messages:
    """What a page says: the head of each sample, the families, values, times in microseconds, and created times in seconds.

    ``heads`` and ``families`` are the same objects for as long as they are the same. Of times and created times there are none where
    no sample has one; NO_TIME and NaN stand for those of a single sample.
    """

    heads: pa.Array
    families: Mapping[str, Family]
    values: Floats
    times_us: Times | None
    created_s: Floats | None


class MessageReader:
    """Reads the pages of one target, one after the other."""

    def __init__(self, samples_max: int) -> None:
        self._samples_max = samples_max
        self._last: tuple[Messages, Mold] | None = None

    def read(self, body: bytes | bytearray) -> Messages:
        """A page. Raises Malformed, CutOff, TooLarge."""
        if self._last is None:
            found, mold = self._anew(body, outline(body, self._samples_max))
        else:
            last, mold = self._last
            if mold.fits(body):
                return replace(last, values=mold.numbers.values(body), times_us=mold.numbers.times_us(body))
            page = outline(body, self._samples_max)
            found, mold = self._moved(body, page, last, mold) or self._anew(body, page)
            if found.families == last.families and found.heads.equals(last.heads):
                found = replace(found, heads=last.heads, families=last.families)
        self._last = found, mold
        return found

    def _moved(
        self, body: bytes | bytearray, page: Outline, last: Messages, mold: Mold
    ) -> tuple[Messages, Mold] | None:
        """A page with the series of the last one; None where it is easier taken apart."""
        changed = mold.misfits(body, page)
        if changed is None:
            return None
        found, labels = samples(body, page.starts[changed], page.stops[changed], page.types()[changed])
        before = mold.numbers
        rows = np.flatnonzero(np.isin(before.metrics, changed))
        if not np.array_equal(changed[found.metrics], before.metrics[rows]):
            return None
        texts = heads(body, found, labels, page.families, page.places()[changed], self._heads_bytes_max(body))
        if not texts.equals(last.heads.take(pa.array(rows))):
            return None
        numbers = before.moved(page.starts - mold.page.starts, rows, found)
        created_s = np.full(len(before.metrics), np.nan) if last.created_s is None else last.created_s.copy()
        created_s[rows] = found.created_s[found.metrics]
        return _messages(body, last.heads, last.families, numbers, created_s), Mold(body, page, numbers)

    def _anew(self, body: bytes | bytearray, page: Outline) -> tuple[Messages, Mold]:
        parts, texts = [], []
        types, places = page.types(), page.places()
        left, count = self._heads_bytes_max(body), 0
        for some in _some_metrics(page):
            part, labels = samples(body, page.starts[some], page.stops[some], types[some])
            count += len(part.metrics)
            if count > self._samples_max:
                raise TooLarge(f"exposes more than samples_max {self._samples_max} samples")
            texts.append(heads(body, part, labels, page.families, places[some], left))
            left -= texts[-1].nbytes
            parts.append(replace(part, metrics=part.metrics + some.start))
        joined = Samples.joined(parts)
        numbers = Numbers.of(joined)
        families = {family.name: Family(_KINDS[family.type], family.unit) for family in page.families}
        created_s = joined.created_s[joined.metrics]
        return _messages(body, pa.concat_arrays(texts), families, numbers, created_s), Mold(body, page, numbers)

    def _heads_bytes_max(self, body: bytes | bytearray) -> int:
        return min(len(body) + self._samples_max * _REPEATED_BYTES_MAX, _HEADS_BYTES_MAX)


def _messages(
    body: bytes | bytearray, heads: pa.Array, families: Mapping[str, Family], numbers: Numbers, created_s: Floats
) -> Messages:
    created = None if np.all(np.isnan(created_s)) else created_s
    return Messages(heads, families, numbers.values(body), numbers.times_us(body), created)


def _some_metrics(page: Outline) -> Iterator[slice]:
    start, count = 0, len(page.starts)
    if not count:
        yield slice(0, 0)
    while start < count:
        stop = int(np.searchsorted(page.stops, page.starts[start] + _BYTES_AT_ONCE, "right"))
        yield slice(start, max(stop, start + 1))
        start = max(stop, start + 1)
