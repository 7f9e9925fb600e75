"""Intervals of time that touch each other, made into one.

Every look at a source leaves an interval behind: a million of them in a month of a hundred sources, of which few do not go on where the one
before has ended. Whoever asks how long a source was observed needs only their union.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_INTERVALS = pa.schema([("source", pa.utf8()), ("start_us", pa.int64()), ("end_us", pa.int64())])


def joined(parts: Iterable[pa.RecordBatch]) -> pa.Table:
    """Intervals in any order, as fewer of the same union: source, start_us, end_us, sorted by all three.

    What goes on where the row before has ended is one with it.
    """
    found = pa.concat_tables([_INTERVALS.empty_table(), *(_joined(pa.table(part)) for part in parts)])
    return _joined(found)


def _joined(told: pa.Table) -> pa.Table:
    sources = told["source"].combine_chunks().dictionary_encode()
    names = sources.dictionary
    rank = np.empty(len(names), np.int64)
    rank[pc.sort_indices(names).to_numpy()] = np.arange(len(names))
    codes, starts, ends = rank[sources.indices.to_numpy()], told["start_us"].to_numpy(), told["end_us"].to_numpy()
    order = np.lexsort((ends, starts, codes))
    codes, starts, ends = codes[order], starts[order], ends[order]
    begins = np.ones(len(starts), bool)
    begins[1:] = (codes[1:] != codes[:-1]) | (starts[1:] > ends[:-1])
    heads = np.flatnonzero(begins)
    latest = np.maximum.reduceat(ends, heads) if len(heads) else ends
    return pa.table([told["source"].take(pa.array(order[heads])), starts[heads], latest], schema=_INTERVALS)
