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
    # Arrow's sums wrap round beyond 38 digits; values below 2^62 do not get there in 10^10 events of one hour.
    function = "sum" if meter.aggregation == "sum" else "count"
    for row in chosen.group_by(["group", "hour"]).aggregate([("value", function)]).to_pylist():
        amount = row[f"value_{function}"]
        nano = amount * NANO if function == "count" else from_decimal(amount)
        hourly.add((row["group"], row["hour"]), nano, estimated=False)
    return Occurrences(hourly, keys, origins)


def _grouped(events: pa.Table, meter: Meter) -> tuple[np.ndarray, list[Key], list[str]]:
    """The group of each event (-1 where the filter refuses it), and each group's key and origin."""
    if events.num_rows == 0:
        return np.zeros(0, dtype=np.int64), [], []
    encoded = [events[name].combine_chunks().dictionary_encode() for name in ("origin", "tenant", "properties")]
    names = [column.dictionary.to_pylist() for column in encoded]
    origins, tenants, properties = (column.indices.to_numpy().astype(np.int64) for column in encoded)
    dimensions = [dimensions_of(meter, document) for document in names[2]]
    numbered: dict[str | None, int] = {}
    wanted = np.array([numbered.setdefault(each, len(numbered)) for each in dimensions], dtype=np.int64)
    # Few events differ in these three, however many differ in their properties.
    codes = (wanted[properties] * len(names[1]) + tenants) * len(names[0]) + origins
    distinct, places = np.unique(codes, return_inverse=True)
    kinds = list(numbered)
    group_of, groups = [], list[tuple[Key, str]]()
    for code in distinct.tolist():
        rest, origin = divmod(code, len(names[0]))
        kind, tenant = divmod(rest, len(names[1]))
        found = kinds[kind]
        group_of.append(-1 if found is None else len(groups))
        if found is not None:
            groups.append((Key(names[1][tenant], found), names[0][origin]))
    return np.array(group_of, dtype=np.int64)[places], [key for key, _ in groups], [origin for _, origin in groups]
