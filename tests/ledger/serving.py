"""A ledger with two tenants on two plans, what they used and were billed for in two currencies, and exchange rates.

January, as worked out by hand: the node (8 USD) goes by cpu, 1 of acme and 3 of bcorp; the balancer (4 USD) by requests, 300 and 100; of support (4 USD) acme has
a quarter, the rest is shared; a credit of 1.50 USD is acme's by its tag; 3 EUR of tax and 2 USD of a node that nobody used are unallocated.
acme's plan charges requests in EUR, bcorp's requests and cpu in USD. One EUR is 1.25 USD on the first, and 1.20 USD from the second on.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from meterbook.wire.instants import DAY_US, HOUR_US
from meterbook.wire.sections import Sections
from tests.ledger.batches import MONTH, bill, charge, content, coverage, event

FEBRUARY = MONTH + 31 * DAY_US
DEFINITIONS = """\
{kind: meter, name: cpu, spec: {source: {event: cpu}, aggregation: sum, unit: core-hours}}
---
{kind: meter, name: requests, spec: {source: {event: requests}, aggregation: sum, unit: requests}}
---
{kind: tenant, name: acme, spec: {}}
---
{kind: tenant, name: bcorp, spec: {timezone: Europe/Berlin}}
---
kind: plan
name: team
spec: {currency: EUR, flat_fee: 10, charges: [{meter: requests, tiers: [{unit_price: 0.01}]}]}
---
kind: plan
name: pro
spec: {currency: USD, charges: [{meter: requests, tiers: [{unit_price: 0.02}]}, {meter: cpu, tiers: [{unit_price: 1}]}]}
---
{kind: subscription, name: acme-team, spec: {tenant: acme, plan: team, start: 2026-01-01}}
---
{kind: subscription, name: bcorp-pro, spec: {tenant: bcorp, plan: pro, start: 2026-01-01}}
---
{kind: price-sheet, name: nodes, spec: {currency: USD, prices: {cpu: 0.5}}}
---
{kind: exchange-rates, name: ecb, spec: {base: EUR, quote: USD, rates: {2026-01-01: 1.25, 2026-01-02: 1.2}}}
---
{kind: allocation, name: tagged, spec: {priority: 1, direct: {column: Tags.team}}}
---
{kind: allocation, name: nodes, spec: {priority: 2, match: {ServiceName: EC2}, driver: {meter: cpu}}}
---
{kind: allocation, name: balancer, spec: {priority: 3, match: {ServiceName: ELB}, driver: {meter: requests}}}
---
{kind: allocation, name: support, spec: {priority: 4, match: {ServiceName: Support}, to: platform}}
---
{kind: allocation, name: platform, spec: {of: platform, fixed: {tenants: {acme: 1}, pools: {shared: 3}}}}
"""


def used(number: int, meter: str, tenant: str, hour: int, quantity: int, month: int = MONTH) -> tuple[Any, ...]:
    """An event of usage."""
    return event(number, type=meter, tenant=tenant, time=month + hour * HOUR_US + number, value=Decimal(quantity))


def january() -> Sections:
    """The usage and the bill of January."""
    return content(
        events=[
            used(1, "cpu", "acme", 0, 1),
            used(2, "cpu", "bcorp", 0, 3),
            used(3, "requests", "acme", 1, 300),
            used(4, "requests", "bcorp", 1, 100),
        ],
        coverage=[
            coverage(0, source="logfile", start=MONTH, end=MONTH + HOUR_US),
            coverage(0, "failed", source="logfile", start=MONTH + HOUR_US, end=MONTH + 4 * HOUR_US, reason="timeout"),
        ],
        charges=[
            charge(0, "8", ServiceName="EC2"),
            charge(1, "4", ServiceName="ELB"),
            charge(2, "4", ServiceName="Support"),
            charge(3, "3", ServiceName="Tax", BillingCurrency="EUR"),
            charge(
                4, "2", ServiceName="EC2", ChargePeriodStart=MONTH + DAY_US, ChargePeriodEnd=MONTH + DAY_US + HOUR_US
            ),
            charge(5, "-1.5", ServiceName="EC2", Tags='{"team":"acme"}'),
        ],
        bills=[bill(6, "19.5")],
    )


def february() -> Sections:
    """The usage and the bill of February: six dollars for 300 requests."""
    period = {"ChargePeriodStart": FEBRUARY, "ChargePeriodEnd": FEBRUARY + HOUR_US, "period": FEBRUARY}
    return content(
        events=[used(11, "requests", "acme", 0, 300, FEBRUARY)],
        charges=[charge(0, "6", ServiceName="ELB", **period)],
        bills=[bill(1, "6", period=FEBRUARY)],
    )
