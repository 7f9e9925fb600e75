"""A ledger with a bill, usage of two tenants on a node, and rules by which most of the bill finds somebody."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from meterbook.wire.instants import DAY_US, HOUR_US
from tests.ledger.batches import MONTH, bill, charge, content, event
from tests.ledger.running import Running

RULES = """\
kind: meter
name: cpu
spec: {source: {event: cpu}, aggregation: sum, unit: core-hours, group_by: [node]}
---
{kind: tenant, name: acme, spec: {}}
---
{kind: tenant, name: bcorp, spec: {}}
---
kind: allocation
name: tagged
spec: {priority: 1, direct: {column: Tags.team, tenants: {red: acme}}}
---
kind: allocation
name: nodes
spec: {priority: 2, match: {ServiceName: Amazon EC2}, driver: {meter: cpu, where: {node: ResourceId}, capacity: {amount_per_h: 4}}}
---
kind: allocation
name: support
spec: {priority: 3, match: {ServiceName: Support}, to: platform}
---
kind: allocation
name: platform
spec: {of: platform, fixed: {tenants: {acme: 1}, pools: {shared: 3}}}
---
kind: allocation
name: late
spec: {match: {ServiceName: Amazon EC2, RegionId: eu}, to: idle}
"""


def used(number: int, tenant: str, hour: int, quantity: str) -> tuple[Any, ...]:
    """An event of usage on the node."""
    time = MONTH + hour * HOUR_US + number
    return event(number, type="cpu", tenant=tenant, time=time, value=Decimal(quantity), properties='{"node":"i-0"}')


def filled(running: Running, folder: Path) -> int:
    """Fill a ledger; gives the position at which the first bill stood."""
    running.apply(folder, RULES)
    events = [used(1, "acme", 0, "1"), used(2, "bcorp", 0, "2")]
    charges = [
        charge(0, "8"),
        charge(1, "-1.5", Tags='{"team":"red"}'),
        charge(2, "4", ServiceName="Support"),
        charge(3, "3", ServiceName="Tax", BillingCurrency="EUR"),
        charge(4, "0.000000000000000001", ResourceId="i-0"),
    ]
    position = running.send(
        content(charges=charges, bills=[bill(len(charges), "13.500000000000000001")], events=events)
    )
    later = MONTH + 2 * DAY_US
    running.send(content(charges=[charge(0, "80", "v2")], bills=[bill(1, "80", "v2", issued=later)]))
    return position
