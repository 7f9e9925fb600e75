"""What events add up to: their count, or the exact sum of their values.

Events come from the view already de-duplicated and added up: a (source, id) counts once for ever, wherever and however often it
was sent. Each event belongs to the hour of its own time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from ledger.directory.meter import Meter
from ledger.journal.quantity import NANO, from_decimal
from ledger.metering.hours import Hourly
from ledger.metering.subjects import Key, dimensions_of


@dataclass(frozen=True)
class Occurrences:
    """Amounts per group and hour; ``keys`` and ``origins`` (the sources that the events were read from) run along the groups."""

    hourly: Hourly
    keys: Sequence[Key]
    origins: Sequence[str]


def occurrences(events: pa.Table, meter: Meter) -> Occurrences:
    """Counts or sums, as the meter says, of ``events`` (see ``View.events``)."""
    hourly, groups = Hourly(), dict[tuple[Key, str], int]()
    dimensions = {told: dimensions_of(meter, told) for told in events["told"].unique().to_pylist()}
    for row in events.to_pylist():
        found = dimensions[row["told"]]
        if found is None:
            continue
        group = groups.setdefault((Key(row["tenant"], found), row["origin"]), len(groups))
        nano = row["events"] * NANO if meter.aggregation == "count" else from_decimal(row["value"])
        hourly.add((group, row["hour_us"]), nano, estimated=False)
    return Occurrences(hourly, [key for key, _ in groups], [origin for _, origin in groups])
