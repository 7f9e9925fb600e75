"""Notices: the acts by which the book says that a threshold was reached, and what became of telling others.

A notice is written once for a tenant, a feature, a period and a threshold: its id follows from these four, and notices have a chain
of their own in the log, so whoever writes one has read all that were written before. What webhooks were told has another chain. From both the
state of every delivery follows, so a ledger that starts goes on where another one ended. The kinds of the acts and their documents:

``threshold.reached``  what the fields of a notice say
``webhook.opened``     nothing more: a webhook of this name is told of what comes after
``webhook.delivered``  id, attempts, outcome, at_us
``webhook.failed``     id, attempts, outcome, at_us, next_us (null: given up)
``webhook.disabled``   outcome, at_us: its receiver wants no more
``webhook.replayed``   since_us, ids, caller, at_us: those are delivered again; one act per webhook
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ledger.billing.period import Period
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire import instants

NOTICES_CHAIN, WEBHOOKS_CHAIN = "notices", "webhooks"
REACHED = "threshold.reached"
OPENED, DELIVERED, FAILED = "webhook.opened", "webhook.delivered", "webhook.failed"
DISABLED, REPLAYED = "webhook.disabled", "webhook.replayed"
WEBHOOK_KINDS = (OPENED, DELIVERED, FAILED, DISABLED, REPLAYED)
#: Who acts, where nobody asked for it.
LEDGER = "ledger"


@dataclass(frozen=True)
class Notice:
    """That a threshold, in percent of the limit, was reached; ``position`` is where the notice stands (0 before it is written)."""

    tenant: str
    feature: str
    title: str
    threshold: int
    limit: Decimal
    used: Decimal
    meter: str
    unit: str
    kind: str
    period: Period
    subscription: str
    plan: str
    #: The book was judged as of this position, at this time.
    at_position: int
    reached_us: int
    position: int = 0

    @property
    def id(self) -> str:
        """What it is known by to those who are told: the same whoever tells it, and however often."""
        parts = [self.tenant, self.feature, self.period.start_us, self.period.end_us, self.threshold]
        return "msg_" + hashlib.sha256(_canonical(parts).encode()).hexdigest()[:32]

    def record(self) -> journal_pb2.ActRecord:
        """The act as the log keeps it."""
        document = {
            "feature": self.feature,
            "title": self.title,
            "threshold": self.threshold,
            "limit": plain_text(self.limit),
            "used": plain_text(self.used),
            "meter": self.meter,
            "unit": self.unit,
            "kind": self.kind,
            "start_us": self.period.start_us,
            "end_us": self.period.end_us,
            "subscription": self.subscription,
            "plan": self.plan,
            "at_position": self.at_position,
            "reached_us": self.reached_us,
        }
        return _act(REACHED, self.tenant, document)

    def body(self) -> bytes:
        """What webhooks are sent: the same bytes every time, as the signature is over them."""
        told = {
            "type": REACHED,
            "timestamp": instants.text(self.reached_us),
            "data": {
                "id": self.id,
                "tenant": self.tenant,
                "feature": self.feature,
                "title": self.title,
                "threshold": self.threshold,
                "limit": plain_text(self.limit),
                "used": plain_text(self.used),
                "unit": self.unit,
                "kind": self.kind,
                "period_start": instants.text(self.period.start_us),
                "period_end": instants.text(self.period.end_us),
                "subscription": self.subscription,
                "plan": self.plan,
                "as_of": self.at_position,
            },
        }
        return _canonical(told).encode()


def notices(acts: Iterable[Mapping[str, Any]]) -> list[Notice]:
    """The notices among some acts, oldest first; rows as ``View.acts`` gives them, of any kind."""
    return [_notice(act) for act in acts if act["kind"] == REACHED]


def told(kind: str, webhook: str, document: Mapping[str, Any], author: str = LEDGER) -> journal_pb2.ActRecord:
    """An act about a webhook, by its name."""
    return _act(kind, webhook, document, author)


def _notice(act: Mapping[str, Any]) -> Notice:
    found = json.loads(act["document"])
    return Notice(
        tenant=act["name"],
        feature=found["feature"],
        title=found["title"],
        threshold=found["threshold"],
        limit=Decimal(found["limit"]),
        used=Decimal(found["used"]),
        meter=found["meter"],
        unit=found["unit"],
        kind=found["kind"],
        period=Period(found["start_us"], found["end_us"]),
        subscription=found["subscription"],
        plan=found["plan"],
        at_position=found["at_position"],
        reached_us=found["reached_us"],
        position=act["position"],
    )


def _act(kind: str, name: str, document: Mapping[str, Any], author: str = LEDGER) -> journal_pb2.ActRecord:
    return journal_pb2.ActRecord(author=author, kind=kind, name=name, document=_canonical(document))


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
