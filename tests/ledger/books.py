"""A book with a little of everything: two sources, three tenants, a late sample, gaps, dead letters, prices and plans."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from meterbook.wire import instants
from meterbook.wire.sections import Sections
from tests.ledger.batches import MONTH, bill, charge, content, coverage, event, series
from tests.ledger.running import Running

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
#: The book's two hours of usage begin here.
TEN = instants.parse("2026-03-10T10:00:00Z")
ODD = 'o\'dd "tenant" [red]/ü%'

DEFINITIONS = f"""\
kind: meter
name: requests
spec: {{source: {{metric: requests_total}}, aggregation: increase, unit: requests, group_by: [code, pod]}}
---
kind: meter
name: memory
spec: {{source: {{metric: memory}}, aggregation: integral, unit: byte-seconds}}
---
kind: meter
name: sales
spec: {{source: {{event: sale}}, aggregation: sum, unit: items}}
---
kind: meter
name: unpriced
spec: {{source: {{event: sale}}, aggregation: count, unit: sales, group_by: [size]}}
---
kind: price-sheet
name: nodes
spec: {{currency: EUR, prices: {{requests: 0.0001, memory: 0.000000000003, sales: 0.01}}}}
---
kind: price-sheet
name: nodes
effective_from: 2026-03-10T10:30:00Z
spec: {{currency: EUR, prices: {{requests: 0.0002, memory: 0.000000000003, sales: 0.01}}}}
---
kind: price-sheet
name: licence
spec: {{currency: USD, prices: {{requests: 0.00001}}}}
---
kind: plan
name: team
spec:
  currency: EUR
  flat_fee: 10
  charges:
    - {{meter: requests, tiers: [{{up_to: 100, unit_price: 0.003}}, {{unit_price: 0.0015}}]}}
    - {{meter: sales, tiers: [{{unit_price: 0.005}}]}}
---
kind: tenant
name: acme
spec: {{timezone: Europe/Berlin}}
---
kind: tenant
name: {ODD!r}
spec: {{}}
---
kind: subscription
name: acme-team
spec: {{tenant: acme, plan: team, start: 2026-03-01}}
""".replace(repr(ODD), '"' + ODD.replace('"', '\\"') + '"')


def at(minutes: float) -> int:
    """A time after ten."""
    return TEN + int(minutes * MINUTE)


def first() -> Sections:
    """What the agents see between ten and twelve."""
    samples = [(1, at(n), float(n * 7)) for n in range(0, 121, 4)] + [(3, at(n), 5e8 + n) for n in range(0, 121, 4)]
    return content(
        charges=[
            charge(0, "12.340000000000000001", Tags='{"team":"red"}'),
            charge(1, "-2", ServiceName="\x1b[31mS3", Tags='{"team":"blue"}', others='{"RegionId":"eu-west-1"}'),
            charge(0, "1", "v2"),
        ],
        bills=[bill(2, "10.340000000000000001"), bill(2, "3", "v2", issued=MONTH + 2 * instants.DAY_US)],
        series=[
            series(1, since=at(-60), attributes='{"pod":"p-1"}'),
            series(2, since=at(-60), tenant=ODD, source="prometheus/two"),
            series(3, "gauge", metric="memory", since=at(-60), tenant="@shared"),
        ],
        samples=sorted([*samples, *((2, at(n), 1e15 + n / 8) for n in range(0, 121, 4))]),
        events=[
            event(1, time=at(1), value=Decimal("2.5")),
            event(2, time=at(2), value=Decimal("0.000000001"), properties='{"size":3}'),
            event(3, time=at(3), value=Decimal(-1), properties="{}", tenant="@unassigned"),
            event(1, time=at(4), value=Decimal(99)),
        ],
        coverage=[
            coverage(0, start=at(0), end=at(60)),
            coverage(0, "failed", start=at(60), end=at(80), reason="timeout after 5 s"),
            coverage(0, start=at(80), end=at(120)),
            coverage(0, source="prometheus/two", start=at(0), end=at(120)),
        ],
        dead_letters=[("prometheus/shop", "access.log:7", "no time", "garbage \x1b[31m\nred")],
    )


def late() -> Sections:
    """A sample that turns a rise into a reset, and one of a series that nobody defined."""
    rows: dict[str, list[tuple[Any, ...]]] = {"samples": [(1, at(50), 3.0), (99, at(51), 1.0)]}
    return content(**rows)


def filled(running: Running, folder: Path) -> None:
    """Fill a ledger: definitions, usage, a booking, a late sample."""
    running.apply(folder, DEFINITIONS)
    running.send(first())
    running.cli("book")
    running.send(late(), agent="late-agent")
