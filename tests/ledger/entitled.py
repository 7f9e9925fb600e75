"""A ledger with a feature that is measured, whose thresholds webhooks are told of, and usage of the present."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from meterbook.ledger.v1 import entitlement_pb2
from meterbook.ledger.v1.entitlement_pb2_grpc import EntitlementsStub
from meterbook.wire import instants
from meterbook.wire.sections import Sections
from tests.fakes.webhook import Receiver, secret_file
from tests.ledger.batches import content, event
from tests.ledger.running import Running

DEFINITIONS = """\
kind: meter
name: calls
spec: {source: {event: call}, aggregation: sum, unit: calls, group_by: [size]}
---
{kind: tenant, name: acme, spec: {}}
---
{kind: tenant, name: bcorp, spec: {timezone: Europe/Berlin}}
---
{kind: tenant, name: nobody, spec: {}}
---
kind: plan
name: pro
spec:
  currency: EUR
  features:
    - {name: api, title: Calls, meter: calls, limit: 100, thresholds: [80, 100], per: year}
    - {name: xl, meter: calls, where: {size: [xl, xxl]}, limit: 10, kind: soft, per: year}
    - {name: sso}
---
{kind: subscription, name: acme-pro, spec: {tenant: acme, plan: pro, start: 2020-01-01}}
---
kind: subscription
name: bcorp-pro
spec: {tenant: bcorp, plan: pro, start: 2020-01-01, features: [{name: api, limit: 1000, approved: ada}]}
"""
#: So that every look is soon.
QUICK = {"refresh_s": 0.1}


def used(number: int, quantity: int, tenant: str = "acme", size: str = "s") -> Sections:
    """A batch with one event of now."""
    one = event(
        number,
        type="call",
        tenant=tenant,
        time=instants.now_us(),
        value=Decimal(quantity),
        properties=f'{{"size":"{size}"}}',
    )
    return content(events=[one])


def webhook(receiver: Receiver, folder: Path, **more: Any) -> dict[str, Any]:
    """The configuration of a webhook that goes to a receiver."""
    return {"url": receiver.url, "name": "hook", "secret_file": secret_file(folder, *receiver.secrets)} | more


def check(running: Running, tenant: str, feature: str, **more: Any) -> entitlement_pb2.CheckEntitlementResponse:
    """Ask once."""
    request = entitlement_pb2.CheckEntitlementRequest(tenant=tenant, feature=feature, **more)
    return EntitlementsStub(running.channel).Check(request)


def notifications(running: Running, **more: Any) -> list[entitlement_pb2.Notification]:
    """All that there are, the newest first."""
    request = entitlement_pb2.NotificationsRequest(**more)
    return list(EntitlementsStub(running.channel).Notifications(request).notifications)


def eventually(holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait until something holds."""
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, "it never held"
        time.sleep(0.05)
