"""Notifications as the wire gives them: what was reached, what became of telling it, and telling it again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ledger.billing.notices import (
    DELIVERED,
    DISABLED,
    FAILED,
    OPENED,
    REACHED,
    REPLAYED,
    WEBHOOK_KINDS,
    Notice,
    notices,
    told,
)
from ledger.journal.journal import Journal
from ledger.query.deliveries import write
from ledger.query.questions import BadQuestion, Book, instant, suggestion
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import entitlement_pb2
from meterbook.wire import instants

_DEFAULT, _MAX = 100, 10_000
_AUTHOR_MAX = 1_000
_WAITING, _DELIVERED, _GIVEN_UP = "waiting", "delivered", "given up"


def answer_notifications(
    journal: Journal, request: entitlement_pb2.NotificationsRequest, seen: frozenset[str] | None = None
) -> entitlement_pb2.NotificationsResponse:
    """Notices of the tenants ``seen`` (None for all), the newest first. Raises BadQuestion, JournalError."""
    limit = request.limit or _DEFAULT
    if not 0 < limit <= _MAX:
        raise BadQuestion(f"limit: {limit} is not between 1 and {_MAX}")
    since_us = instant(request.since, "since") if request.since else 0
    book = Book.at(journal, request.as_of)
    tenants = book.tenants(request.tenants, seen)
    found = [
        each
        for each in notices(book.view.acts(0, (REACHED,)).to_pylist())
        if each.reached_us >= since_us and (not tenants or each.tenant in tenants)
    ]
    shown = found[::-1][:limit]
    # Where a tenant's notices go, and what is wrong there, is the operator's.
    acts = book.view.acts(0, WEBHOOK_KINDS).to_pylist() if seen is None and shown else []
    deliveries = _deliveries(shown, acts)
    return entitlement_pb2.NotificationsResponse(
        as_of=book.view.position,
        notifications=[_row(each, deliveries[each.id].values()) for each in shown],
        total=len(found),
    )


def replay(
    journal: Journal, request: entitlement_pb2.ReplayNotificationsRequest, webhooks: Sequence[str], caller: str
) -> entitlement_pb2.ReplayNotificationsResponse:
    """Have notices delivered again, with the ids that they have. Raises BadQuestion, JournalError."""
    if not request.author or len(request.author) > _AUTHOR_MAX:
        raise BadQuestion(f"author: say who wants it, in at most {_AUTHOR_MAX} characters")
    if not request.since:
        raise BadQuestion("since: say from which time on notifications are delivered again")
    since_us = instant(request.since, "since")
    if not webhooks:
        raise BadQuestion("webhooks: the ledger has none; give it some in its configuration, entitlements.webhooks")
    chosen = sorted(set(request.webhooks)) or list(webhooks)
    unknown = [each for each in chosen if each not in webhooks]
    if unknown:
        raise BadQuestion(f"webhooks: there is no webhook {unknown[0]!r}; {suggestion(unknown[0], sorted(webhooks))}")
    view = journal.view()
    ids = [each.id for each in notices(view.acts(0, (REACHED,)).to_pylist()) if each.reached_us >= since_us]
    document = {"since_us": since_us, "ids": ids, "caller": caller, "at_us": instants.now_us()}
    # A webhook that is to be told nothing again is enabled all the same, if it was disabled.
    positions = [write(journal, told(REPLAYED, webhook, document, request.author)) for webhook in chosen]
    return entitlement_pb2.ReplayNotificationsResponse(position=positions[-1], notifications=len(ids), webhooks=chosen)


def _deliveries(
    shown: Iterable[Notice], acts: Iterable[Mapping[str, Any]]
) -> dict[str, dict[str, entitlement_pb2.Delivery]]:
    """By notice and webhook, what became of a delivery."""
    found: dict[str, dict[str, entitlement_pb2.Delivery]] = {each.id: {} for each in shown}
    positions = {each.id: each.position for each in shown}
    for act in acts:
        webhook, document = act["name"], json.loads(act["document"])
        if act["kind"] == OPENED:
            ids: Collection[str] = [each for each, position in positions.items() if position > act["position"]]
        elif act["kind"] == REPLAYED:
            ids = document["ids"]
        elif act["kind"] == DISABLED:
            for standing in (each[webhook] for each in found.values() if webhook in each):
                if standing.state == _WAITING:
                    standing.MergeFrom(entitlement_pb2.Delivery(state=_GIVEN_UP, outcome=document["outcome"]))
                    standing.ClearField("next")
            continue
        else:
            if document["id"] in found:
                found[document["id"]][webhook] = _delivery(webhook, act["kind"], document)
            continue
        for each in ids:
            if each in found:
                found[each][webhook] = entitlement_pb2.Delivery(webhook=webhook, state=_WAITING)
    return found


def _delivery(webhook: str, kind: str, document: Mapping[str, Any]) -> entitlement_pb2.Delivery:
    next_us = document.get("next_us")
    assert kind in (DELIVERED, FAILED)
    state = _DELIVERED if kind == DELIVERED else _GIVEN_UP if next_us is None else _WAITING
    return entitlement_pb2.Delivery(
        webhook=webhook,
        state=state,
        attempts=document["attempts"],
        outcome=document["outcome"],
        attempted=instants.text(document["at_us"]),
        next=instants.text(next_us) if next_us is not None else "",
    )


def _row(notice: Notice, deliveries: Iterable[entitlement_pb2.Delivery]) -> entitlement_pb2.Notification:
    return entitlement_pb2.Notification(
        id=notice.id,
        tenant=notice.tenant,
        feature=notice.feature,
        threshold=notice.threshold,
        limit=plain_text(notice.limit),
        used=plain_text(notice.used),
        unit=notice.unit,
        kind=notice.kind,
        period_start=instants.text(notice.period.start_us),
        period_end=instants.text(notice.period.end_us),
        subscription=notice.subscription,
        reached=instants.text(notice.reached_us),
        position=notice.position,
        deliveries=sorted(deliveries, key=lambda each: each.webhook),
    )
