"""Metrics as samples: where the number of each stands, and what its head adds to the labels.

What becomes of a metric is what Prometheus makes of it (model/textparse/protobufparse.go):

====================  =================================================================================================
type                  samples
====================  =================================================================================================
counter, gauge,       one, under the name of the family as it stands: nothing is added to a counter's
untyped
summary               ``_count``, ``_sum``, and one for each quantile under the family's own name
histogram,            ``_count``, ``_sum``, and ``_bucket`` for each bucket up to that of +Inf, which is added where it
gauge histogram       is missing; ``_count`` of a float histogram is ``sample_count_float``, if that is not 0
====================  =================================================================================================

A native histogram is a sample of a kind of its own to Prometheus. A meter can use its count and sum, so these are what it has here,
and classic buckets where they are exposed beside the native ones. None is added to one without any.

Exemplars and native buckets are held to the encoding and otherwise left alone. A metric without the value that its family's type
asks for has no sample at all, and fails the page; Prometheus takes it for 0, which would be a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as columns_of

import numpy as np
import numpy.typing as npt

from collector.exposition.protobuf.doubles import doubles
from collector.exposition.protobuf.fields import Found, check, fields
from collector.exposition.protobuf.malformed import Malformed
from collector.exposition.protobuf.messages import BUCKET, EXEMPLAR, METRIC, QUANTILE, SPAN, TIMESTAMP, MetricType
from collector.exposition.protobuf.varints import Bytes, Places, varints
from collector.exposition.values import Floats

#: What is added to the name of a family, by its code.
SUFFIXES = ("", "_count", "_sum", "_bucket")
_PLAIN, _COUNT, _SUM, _BUCKET = range(len(SUFFIXES))
_MESSAGES = {field.name: field.message for field in METRIC.fields.values() if field.message is not None}
#: Seconds up to which nanoseconds since 1970 fit into 64 bits: the year 2262.
_NANOS_S_MAX = 9_200_000_000
_NOWHERE = -1


@dataclass(frozen=True)
class Samples:
    """The samples of some metrics in columns; the last three columns are by metric, not by sample.

    ``metrics`` are numbers of metrics, ``suffixes`` codes of SUFFIXES; ``bounds`` are upper bounds or quantiles where ``bounded`` says
    so. Doubles, counts and times are places, -1 for none.
    """

    metrics: Places
    suffixes: npt.NDArray[np.int8]
    bounded: npt.NDArray[np.bool_]
    bounds: Floats
    doubles: Places
    counts: Places
    count_stops: Places
    times: Places
    time_stops: Places
    created_s: Floats

    @staticmethod
    def joined(parts: Sequence[Samples]) -> Samples:
        """Several of them as one; their metrics are numbered through already."""
        names = [column.name for column in columns_of(Samples)]
        return Samples(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def samples(body: bytes | bytearray, starts: Places, stops: Places, types: Places) -> tuple[Samples, Found]:
    """The samples of the metrics that stand at places, numbered from 0, and their labels. Raises Malformed."""
    data = np.frombuffer(body, np.uint8)
    found = fields(data, starts, stops, METRIC)
    count = len(starts)
    created_s = np.full(count, np.nan)
    given = np.zeros(count, np.bool_)
    pieces: list[_Piece] = []
    for name, (kinds, made) in _KINDS.items():
        fitting = np.logical_or.reduce([types[found[name].owners] == kind for kind in kinds])
        # A value of another type than the family's is none.
        check(data, found[name].where(~fitting), _MESSAGES[name])
        values = found[name].where(fitting).in_order()
        if len(values):
            given[values.owners] = True
            inner = fields(data, values.starts, values.stops, _MESSAGES[name])
            pieces += made(data, values.owners, inner)
            if "created_timestamp" in inner:
                created_s[values.owners] = _created_s(data, inner["created_timestamp"], len(values))
    if not given.all():
        missing = int(np.flatnonzero(~given)[0])
        kind = MetricType(int(types[missing])).name.lower()
        raise Malformed(int(starts[missing]), f"begins a metric without the value of its type, which is {kind}")
    return _laid_out(pieces, count, found["timestamp_ms"].last(count), created_s), found["label"].in_order()


@dataclass(frozen=True)
class _Piece:
    """Some samples: of which metrics, and as which of each metric's; ``doubles`` and ``counts`` are places."""

    metrics: Places
    turns: Places | int
    suffix: int
    doubles: Places | int = _NOWHERE
    counts: tuple[Places | int, Places | int] = (_NOWHERE, _NOWHERE)
    bounds: Floats | float | None = None


def _plain(data: Bytes, metrics: Places, inner: Mapping[str, Found]) -> list[_Piece]:
    if "exemplar" in inner:
        check(data, inner["exemplar"], EXEMPLAR)
    return [_Piece(metrics, 0, _PLAIN, inner["value"].last(len(metrics))[0])]


def _summary(data: Bytes, metrics: Places, inner: Mapping[str, Found]) -> list[_Piece]:
    count = len(metrics)
    quantiles = inner["quantile"].in_order()
    within = fields(data, quantiles.starts, quantiles.stops, QUANTILE)
    bounds = _doubles(data, within["quantile"], len(quantiles))
    values = within["value"].last(len(quantiles))[0]
    return [
        _Piece(metrics, 0, _COUNT, counts=inner["sample_count"].last(count)),
        _Piece(metrics, 1, _SUM, inner["sample_sum"].last(count)[0]),
        _Piece(metrics[quantiles.owners], 2 + _turns(quantiles, count), _PLAIN, values, bounds=bounds),
    ]


def _histogram(data: Bytes, metrics: Places, inner: Mapping[str, Found]) -> list[_Piece]:
    count = len(metrics)
    for name, message in (("positive_span", SPAN), ("negative_span", SPAN), ("exemplars", EXEMPLAR)):
        check(data, inner[name], message)
    buckets = inner["bucket"].in_order()
    within = fields(data, buckets.starts, buckets.stops, BUCKET)
    check(data, within["exemplar"], EXEMPLAR)
    bounds = _doubles(data, within["upper_bound"], len(buckets))
    infinite = np.isposinf(bounds)
    turns = _turns(buckets, count)
    # Nothing comes after the bucket of +Inf.
    infinite_before: Places = np.cumsum(infinite) - infinite
    kept: npt.NDArray[np.bool_] = infinite_before == infinite_before[np.arange(len(buckets)) - turns]
    ended = np.zeros(count, np.bool_)
    ended[buckets.owners[infinite]] = True
    sizes = buckets.counts(count)
    open_ended = np.flatnonzero(~ended & ((sizes > 0) | ~_native(data, inner, count)))
    starts, stops = inner["sample_count"].last(count)
    total = inner["sample_count_float"].last(count)[0]
    bucket_starts, bucket_stops = within["cumulative_count"].last(len(buckets))
    return [
        _Piece(metrics, 0, _COUNT, total, (starts, stops)),
        _Piece(metrics, 1, _SUM, inner["sample_sum"].last(count)[0]),
        _Piece(
            metrics[buckets.owners[kept]],
            2 + turns[kept],
            _BUCKET,
            within["cumulative_count_float"].last(len(buckets))[0][kept],
            (bucket_starts[kept], bucket_stops[kept]),
            bounds[kept],
        ),
        _Piece(
            metrics[open_ended],
            2 + sizes[open_ended],
            _BUCKET,
            total[open_ended],
            (starts[open_ended], stops[open_ended]),
            np.inf,
        ),
    ]


_KINDS: Mapping[str, tuple[tuple[MetricType, ...], Callable[[Bytes, Places, Mapping[str, Found]], list[_Piece]]]] = {
    "counter": ((MetricType.COUNTER,), _plain),
    "gauge": ((MetricType.GAUGE,), _plain),
    "untyped": ((MetricType.UNTYPED,), _plain),
    "summary": ((MetricType.SUMMARY,), _summary),
    "histogram": ((MetricType.HISTOGRAM, MetricType.GAUGE_HISTOGRAM), _histogram),
}


def _native(data: Bytes, inner: Mapping[str, Found], count: int) -> npt.NDArray[np.bool_]:
    """Which histograms are native: a span, a threshold or a count of the zero bucket says so (``isNativeHistogram``)."""
    spans = (inner["positive_span"].counts(count) > 0) | (inner["negative_span"].counts(count) > 0)
    zeros = inner["zero_count"]
    counted = np.zeros(count, np.bool_)
    counted[zeros.owners] = varints(data, zeros.starts, zeros.stops)[0] > 0
    return spans | counted | (np.nan_to_num(_doubles(data, inner["zero_threshold"], count)) > 0)


def _created_s(data: Bytes, found: Found, count: int) -> Floats:
    """Seconds since 1970, NaN where none are given.

    OpenMetrics gives them as a decimal, made by way of a double of nanoseconds (prometheus/common, ``writeOpenMetricsCreated``).
    So it is done here: a series is the same one whichever format its target answers in.
    """
    seconds_s = np.full(count, np.nan)
    inner = fields(data, found.starts, found.stops, TIMESTAMP)
    seconds, nanos = (_integers(data, inner[name], len(found)) for name in ("seconds", "nanos"))
    fine = np.abs(seconds) < _NANOS_S_MAX
    exact = (np.where(fine, seconds, 0) * 1_000_000_000 + nanos).astype(np.float64) / 1e9
    seconds_s[found.owners] = np.where(fine, exact, seconds.astype(np.float64))
    return seconds_s


def _integers(data: Bytes, found: Found, count: int) -> Places:
    """Of each of ``count`` messages the number in a field; 0 where it is not there."""
    numbers = np.zeros(count, np.int64)
    numbers[found.owners] = varints(data, found.starts, found.stops)[0].view(np.int64)
    return numbers


def _doubles(data: Bytes, found: Found, count: int) -> Floats:
    numbers = np.zeros(count)
    numbers[found.owners] = doubles(data, found.starts)
    return numbers


def _turns(found: Found, count: int) -> Places:
    """Of occurrences in the order of the page, as which of its message each comes."""
    sizes = found.counts(count)
    return np.arange(len(found)) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _laid_out(pieces: list[_Piece], count: int, times: tuple[Places, Places], created_s: Floats) -> Samples:
    """The pieces together, in the order of the metrics."""
    sizes = np.zeros(count, np.int64)
    for piece in pieces:
        sizes += np.bincount(piece.metrics, minlength=count)
    offsets = np.cumsum(sizes) - sizes
    total = int(sizes.sum())
    suffixes, bounded, bounds = np.zeros(total, np.int8), np.zeros(total, np.bool_), np.zeros(total)
    values, starts, stops = (np.full(total, _NOWHERE) for _ in range(3))
    for piece in pieces:
        rows = offsets[piece.metrics] + piece.turns
        suffixes[rows], values[rows] = piece.suffix, piece.doubles
        starts[rows], stops[rows] = piece.counts
        if piece.bounds is not None:
            bounded[rows], bounds[rows] = True, piece.bounds
    metrics = np.repeat(np.arange(count), sizes)
    return Samples(metrics, suffixes, bounded, bounds, values, starts, stops, *times, created_s)
