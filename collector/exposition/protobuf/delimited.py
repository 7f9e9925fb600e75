"""The outline of a page: its families, and where the metrics of each stand.

A page is walked through once here, in Python, a quarter of a microsecond a metric: only the lengths say where the next begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from collector.exposition.protobuf.malformed import CutOff, Malformed, TooLarge
from collector.exposition.protobuf.messages import FAMILY, FIXED, LENGTH, VARINT, MetricType, check_tag
from collector.exposition.protobuf.varints import Places, varint

_NAME, _HELP, _TYPE, _METRIC, _UNIT = FAMILY.fields
_METRIC_TAG = _METRIC << 3 | LENGTH
_VARINT_BYTES_MAX = 10
#: Most fields of a family besides its metrics: four are known.
_FIELDS_MAX = 16
_MORE = 0x80


@dataclass(frozen=True)
class Described:
    """A family that has metrics: what is said of it, and how many there are."""

    name: str
    type: MetricType
    unit: str
    metrics: int


@dataclass(frozen=True)
class Outline:
    """The families of a page, and where their metrics begin and end, one after the other."""

    families: tuple[Described, ...]
    starts: Places
    stops: Places

    def types(self) -> Places:
        """The type of each metric."""
        return self._of_metrics(family.type for family in self.families)

    def places(self) -> Places:
        """For each metric the place of its family."""
        return self._of_metrics(range(len(self.families)))

    def _of_metrics(self, column: Iterable[int]) -> Places:
        metrics = np.array([family.metrics for family in self.families], np.int64)
        return np.repeat(np.array([*column], np.int64), metrics)


def outline(body: bytes | bytearray, samples_max: int) -> Outline:
    """Where the metrics of a page are. Families without any are left out, as Prometheus does.

    Raises Malformed, CutOff where the last family does not end, TooLarge where there are more metrics, or families, than ``samples_max``.
    """
    families: list[Described] = []
    starts: list[int] = []
    stops: list[int] = []
    at, size, count = 0, len(body), 0
    while at < size:
        begin, count = at, count + 1
        if count > samples_max:
            raise TooLarge(f"exposes more families than samples_max {samples_max}")
        try:
            length, at = varint(body, at, size)
        except Malformed as error:
            cut_off = size - at < _VARINT_BYTES_MAX
            raise (CutOff(at, "begins the length of a family, which is cut off") if cut_off else error) from None
        if length > size - at:
            raise CutOff(begin, f"begins a family of {length} bytes, of which there are {size - at}")
        before = len(starts)
        name, kind, unit = _family(body, at, at + length, starts, stops, samples_max)
        if len(starts) > before:
            families.append(_described(begin, name, kind, unit, len(starts) - before))
        at += length
    return Outline(tuple(families), np.array(starts, np.int64), np.array(stops, np.int64))


def _family(
    body: bytes | bytearray, at: int, end: int, starts: list[int], stops: list[int], metrics_max: int
) -> tuple[bytes, int, bytes]:
    """Name, type and unit of the family between two places; where its metrics stand is appended."""
    texts = {_NAME: b"", _HELP: b"", _UNIT: b""}
    kind, first, others = 0, at, 0
    while at < end:
        # The usual metric has one byte of tag, one or two of length.
        if body[at] == _METRIC_TAG and at + 2 < end and (body[at + 1] < _MORE or body[at + 2] < _MORE):
            length = body[at + 1]
            start = at + 2
            if length >= _MORE:
                length += (body[at + 2] - 1) * _MORE
                start += 1
            stop = start + length
            number = _METRIC
        else:
            number, start, stop, value = _field(body, at, end)
            others += number != _METRIC
            if others > _FIELDS_MAX:
                raise Malformed(at, f"is beyond the {_FIELDS_MAX} fields that a family may have besides its metrics")
            kind = value if number == _TYPE else kind
        if stop > end:
            raise Malformed(at, "begins a field that is longer than the family around it")
        if number == _METRIC:
            if len(starts) == metrics_max:
                raise TooLarge(f"exposes more than samples_max {metrics_max} samples")
            starts.append(start)
            stops.append(stop)
        elif number in texts:
            texts[number] = bytes(body[start:stop])
        at = stop
    if not _is_text(texts[_HELP]):
        raise Malformed(first, "begins a family whose help is not UTF-8")
    return texts[_NAME], kind, texts[_UNIT]


def _field(body: bytes | bytearray, at: int, end: int) -> tuple[int, int, int, int]:
    """The number of a field, where its content begins and ends, and what it is if it is a varint."""
    tag, start = varint(body, at, end)
    number, wire = divmod(tag, 8)
    check_tag(FAMILY, number, wire, at)
    value = 0
    if wire == VARINT:
        value, stop = varint(body, start, end)
    elif wire == LENGTH:
        length, start = varint(body, start, end)
        stop = start + length
    else:
        stop = start + FIXED[wire]
    return number, start, stop, value


def _described(at: int, name: bytes, kind: int, unit: bytes, metrics: int) -> Described:
    if not name or not _is_text(name) or not _is_text(unit):
        what = "no name" if not name else f"a name or unit that is not UTF-8: {name[:100]!r} {unit[:100]!r}"
        raise Malformed(at, f"begins a family with {what}")
    if kind not in MetricType.__members__.values():
        raise Malformed(at, f"begins the family {name[:100].decode('utf-8', 'replace')!r} of the unknown type {kind}")
    return Described(name.decode(), MetricType(kind), unit.decode(), metrics)


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
