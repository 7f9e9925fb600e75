"""What a collector gives back: samples and events as Arrow tables, and an account of what was seen.

Readings say nothing of tenants: the agent's tagger adds those. They always say what was *not* seen, in
coverage records, because a measured zero and a missing measurement must never look alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa

from collector.definitions import NONE, Definitions, Ids
from meterbook.wire.sections import AMOUNT, BILLS, CHARGES, EVENTS, SAMPLES

#: What a collector needs to go on where it stopped. JSON values only; written with the batch it belongs to.
Checkpoint = Mapping[str, Any]

Remembered = TypeVar("Remembered")

Status = Literal["complete", "partial", "failed", "throttled", "lost"]


@dataclass(frozen=True)
class Window:
    """The interval a collection answers for: since the last one (exclusive) until now (inclusive), in microseconds."""

    start_us: int
    end_us: int


@dataclass(frozen=True)
class Coverage:
    """How well a source was observed over an interval; ``reason`` is empty for a complete one."""

    source: str
    start_us: int
    end_us: int
    status: Status
    reason: str = ""


@dataclass(frozen=True)
class DeadLetter:
    """Something that could not be read, kept with its reason. ``place`` finds it again: ``access.log:1024``."""

    source: str
    place: str
    reason: str
    document: str


@dataclass(frozen=True)
class Readings:
    """One collection of one source.

    ``series`` defines every series that ``samples`` (schema ``SAMPLES``, sorted by series and time) refers to; of those in
    ``retagged`` (sorted) the tags may be others than in the collection before. ``events`` has the schema ``EVENTS`` with an empty tenant. ``charges`` and ``bills`` (schemas ``CHARGES`` and ``BILLS``) are
    of nobody: whose they are is found out when the cost is attributed. ``more`` asks to be called again at once, because
    a bound on one collection was reached before the end of the source was.
    """

    coverage: tuple[Coverage, ...]
    series: Definitions = NONE
    retagged: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    samples: pa.Table = field(default_factory=SAMPLES.empty_table)
    events: pa.Table = field(default_factory=EVENTS.empty_table)
    charges: pa.Table = field(default_factory=CHARGES.empty_table)
    bills: pa.Table = field(default_factory=BILLS.empty_table)
    dead_letters: tuple[DeadLetter, ...] = ()
    checkpoint: Checkpoint = field(default_factory=dict)
    more: bool = False


def remembered(kind: type[Remembered], document: Mapping[str, Any]) -> Remembered:
    """A dataclass back from a checkpoint. What this version knows nothing of is left out: a newer one wrote it, and was rolled back."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in document.items() if name in known})


def sample_table(series_ids: Sequence[int], times_us: Sequence[int], values: Iterable[float]) -> pa.Table:
    """Samples in wire order (series, then time) from three columns of equal length."""
    ids = np.asarray(series_ids, dtype=np.int64)
    times = np.asarray(times_us, dtype=np.int64)
    floats = np.fromiter(values, dtype=np.float64, count=len(ids))
    order = np.lexsort((times, ids))
    return pa.table(
        [ids[order], pa.array(times[order]).cast(SAMPLES.field("time").type), floats[order]], schema=SAMPLES
    )


def bill_table(
    source: str, period_us: int, version: str, *, nature: str, issued_us: int, charges: int, billed: Decimal
) -> pa.Table:
    """What closes a version of a bill (schema BILLS): how many charges there are, and what they add up to."""
    time = BILLS.field("period").type
    row = {
        "source": [source],
        "period": pa.array([period_us]).cast(time),
        "version": [version],
        "nature": [nature],
        "issued": pa.array([issued_us]).cast(time),
        "charges": [charges],
        "billed": pa.array([billed], AMOUNT),
    }
    return pa.table(row, schema=BILLS)
