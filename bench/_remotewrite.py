"""Prometheus remote write as a sender needs it: requests that are encoded before the clock starts.

A request is a protobuf WriteRequest in snappy's block format (Prometheus remote write 1.0, "Protocol": ``WriteRequest``
holds ``TimeSeries``, these ``Label`` and ``Sample``, times in milliseconds). A sender's requests differ in their times
alone, and a time of this century takes six bytes as a varint: the message is made once, the times are put in its place
with NumPy for each request, and what is left is the compression.

Times go forward by one millisecond a sample, without a gap. Receivers drop what is not newer than the last sample of its
series, and Prometheus also what lies an hour behind the newest sample of all; with the fifteen seconds of a true scrape
a run of seconds would fill days, and measure how blocks are cut and compacted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench._load import SAMPLES_PER_SERIES, batch_of
from meterbook.wire.sections import Sections

_TIME_BYTES = 6
#: Field 2 of a TimeSeries, 16 bytes: field 1 a double, field 2 a varint of six bytes.
_SAMPLE = np.dtype([("head", "S3"), ("value", "<f8"), ("tag", "u1"), ("time", "u1", _TIME_BYTES)])
_SAMPLE_HEAD = b"\x12\x10\x09"
_SAMPLE_TIME_TAG = 0x10


class Requests:
    """The requests of one agent: the series and values of its batches in bench.ingest, at times that go forward."""

    def __init__(self, agent: str, rows: int) -> None:
        self._message, self._places = _message(agent, batch_of(agent, rows))

    def bodies(self, since_ms: int, count: int) -> Iterator[bytes]:
        """The bodies of ``count`` requests, of which the first sample stands at ``since_ms`` (Unix time)."""
        for first_ms in range(since_ms, since_ms + count * SAMPLES_PER_SERIES, SAMPLES_PER_SERIES):
            times_ms = np.arange(first_ms, first_ms + SAMPLES_PER_SERIES)
            self._message[self._places] = _varints(times_ms)
            yield pa.compress(self._message, codec="snappy", asbytes=True)


def _message(agent: str, batch: Sections) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """A WriteRequest without its times, and the place of every byte of them: per series, sample, byte."""
    assert batch.series is not None and batch.samples is not None
    described = {row["series_id"]: row for row in batch.series.to_pylist()}
    ids = batch.samples["series_id"].to_pylist()[::SAMPLES_PER_SERIES]
    values = batch.samples["value"].to_numpy().reshape(len(ids), SAMPLES_PER_SERIES)
    samples = np.zeros(SAMPLES_PER_SERIES, _SAMPLE)
    samples["head"], samples["tag"] = _SAMPLE_HEAD, _SAMPLE_TIME_TAG
    parts, starts, length = [], [], 0
    for series_id, row in zip(ids, values, strict=True):
        samples["value"] = row
        labels = {
            "__name__": described[series_id]["metric"],
            "agent": agent,
            **json.loads(described[series_id]["labels"]),
        }
        # The specification wants the labels in the order of their names.
        content = b"".join(_label(name, labels[name]) for name in sorted(labels))
        part = _field(1, content + samples.tobytes())
        length += len(part)
        starts.append(length - samples.nbytes)
        parts.append(part)
    time_at = _SAMPLE.fields["time"][1]  # type: ignore[index] # a dtype with names has fields
    within = np.arange(SAMPLES_PER_SERIES)[:, None] * _SAMPLE.itemsize + time_at + np.arange(_TIME_BYTES)
    return np.frombuffer(bytearray().join(parts), np.uint8), np.array(starts)[:, None, None] + within


def _varints(times_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Six bytes for each time, seven bits a byte, all but the last with the bit that says that more follows."""
    seven = (times_ms[:, None] >> np.arange(0, 7 * _TIME_BYTES, 7)) & 0x7F
    seven[:, :-1] |= 0x80
    return seven.astype(np.uint8)


def _label(name: str, value: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, value.encode()))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    size, rest = b"", len(content)
    while rest > 0x7F:
        size += bytes([rest & 0x7F | 0x80])
        rest >>= 7
    return bytes([number << 3 | 2]) + size + bytes([rest]) + content
