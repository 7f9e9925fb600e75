"""What events add up to: their count, or the exact sum of their values.

Events come from the view already de-duplicated: a (source, id) counts once for ever, wherever and however often it was
sent. Each event belongs to the hour of its own time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ledger.directory.meter import Meter
from ledger.journal.quantity import NANO, from_decimal
from ledger.metering.hours import Hourly
from ledger.metering.subjects import Key, dimensions_of
from meterbook.wire.instants import HOUR_US


@dataclass(frozen=True)
class Occurrences:
    """Amounts per group and hour; ``keys`` and ``origins`` (the sources that the events were read from) run along the groups."""

    hourly: Hourly
    keys: Sequence[Key]
    origins: Sequence[str]


def occurrences(events: pa.Table, meter: Meter) -> Occurrences:
    """Counts or sums, as the meter says, of ``events`` (see ``View.events``)."""
    groups, keys, origins = _grouped(events, meter)
    hourly = Hourly()
    hours = events["time_us"].to_numpy() // HOUR_US * HOUR_US
    chosen = pa.table({"group": groups, "hour": hours, "value": events["value"]}).filter(pa.array(groups >= 0))
    function = "sum" if meter.aggregation == "sum" else "count"
    for row in chosen.group_by(["group", "hour"]).aggregate([("value", function)]).to_pylist():
        amount = row[f"value_{function}"]
        nano = amount * NANO if function == "count" else from_decimal(amount)
        hourly.add((row["group"], row["hour"]), nano, estimated=False)
    return Occurrences(hourly, keys, origins)


def _grouped(events: pa.Table, meter: Meter) -> tuple[np.ndarray, list[Key], list[str]]:
    """The group of each event (-1 where the filter refuses it), and each group's key and origin."""
    encoded = [events[name].combine_chunks().dictionary_encode() for name in ("origin", "tenant", "properties")]
    if events.num_rows == 0:
        return np.zeros(0, dtype=np.int64), [], []
    names = [column.dictionary.to_pylist() for column in encoded]
    codes = np.stack([column.indices.to_numpy().astype(np.int64) for column in encoded])
    distinct, places = np.unique(codes, axis=1, return_inverse=True)
    numbers: dict[tuple[Key, str], int] = {}
    group_of = np.empty(distinct.shape[1], dtype=np.int64)
    for place, (origin, tenant, properties) in enumerate(distinct.T.tolist()):
        dimensions = dimensions_of(meter, names[2][properties])
        if dimensions is None:
            group_of[place] = -1
            continue
        group = (Key(names[1][tenant], dimensions), names[0][origin])
        group_of[place] = numbers.setdefault(group, len(numbers))
    return group_of[places.reshape(-1)], [key for key, _ in numbers], [origin for _, origin in numbers]
