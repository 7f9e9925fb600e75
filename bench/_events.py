"""Usage events as programs write them: lines of CloudEvents, about 300 bytes each, of 200 tenants with a realistic skew."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TENANTS = 200
TYPES = ("api.request", "api.upload", "job.run")
#: 2026-01-31T00:00:00Z, in milliseconds.
_DAY_MS = 1_769_817_600_000
_HOURS = 6


def lines(first: int, count: int) -> tuple[bytes, np.ndarray]:
    """Events ``first`` to ``first + count``, one a line, and what each tenant used in them, in thousandths."""
    draw = np.random.default_rng(first)
    tenants = np.minimum(draw.zipf(1.3, count), TENANTS) - 1
    values = np.minimum(draw.exponential(50_000, count).astype(np.int64), 9_999_999)
    times = pa.array(_DAY_MS + np.sort(draw.integers(0, _HOURS * 3_600_000, count))).cast(pa.timestamp("ms"))
    ids = draw.integers(0, 1 << 62, count)
    said: list[pa.Array | str] = [
        '{"specversion":"1.0","id":"',
        _text(ids),
        "-",
        _text(np.arange(first, first + count)),
    ]
    said += ['","source":"/gateway/eu-1","type":"', _choice(draw, count, list(TYPES))]
    said += ['","subject":"tenant-', _text(tenants), '","time":"', pc.strftime(times, "%Y-%m-%dT%H:%M:%SZ")]
    said += ['","data":{"value":', _text(values // 1_000), ".", pc.utf8_lpad(_text(values % 1_000), 3, "0")]
    said += [',"region":"', _choice(draw, count, ["eu-central-1", "us-east-1"]), '","path":"/v1/orders/']
    said += [_text(draw.integers(0, 9_999, count)), '","method":"', _choice(draw, count, ["GET", "POST", "PUT"])]
    said += [
        '","status":"',
        _choice(draw, count, ["200", "200", "200", "404"]),
        '","model":"standard-2"},"tier":"gold"}\n',
    ]
    column = pc.binary_join_element_wise(*said, "")
    sums = np.bincount(tenants, weights=values, minlength=TENANTS).astype(np.int64)
    return column.buffers()[2].to_pybytes(), sums


def _text(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers).cast(pa.utf8())


def _choice(draw: np.random.Generator, count: int, words: list[str]) -> pa.Array:
    return pa.array(words).take(pa.array(draw.integers(0, len(words), count)))
