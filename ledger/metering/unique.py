"""How many different values a label or property has: one for each that was seen in the window, exactly.

A value makes a resource of its own, so there is one unit of every resource that is there; what has no such label is nobody. Where a
meter is content with about how many there are, see ``approximate``.
"""

from __future__ import annotations

from ledger.directory.meter import Meter
from ledger.journal.quantity import NANO
from ledger.metering.aggregated import Aggregated, attributed, gathered
from ledger.metering.subjects import NAMELESS


def by_value(meter: Meter) -> Meter:
    """The same meter, with a resource for each value of what it counts."""
    assert meter.of is not None
    return meter.model_copy(update={"per": (meter.of,), "aggregation": "count"})


def unique(found: Aggregated) -> Aggregated:
    """One for every resource and window in which it was seen."""
    resources, amounts, behind = gathered(found, lambda resource: resource)
    seen = {cell: NANO for cell in amounts if resources[cell[0]].name != NAMELESS}
    return attributed(seen, {}, resources, behind)
