"""The Entitlements service: answers from memory in the event loop itself, since a thread for each would take longer than the answer.

What is asked as of a position takes the book, and so a turn, as every question does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ledger.journal.journal import Journal
from ledger.query import entitled, notified
from ledger.query.allowances import NotCounted, Snapshot
from ledger.server.authentication import current_session
from ledger.server.entitling import Entitling
from ledger.server.query_service import answered, or_status, seen
from ledger.server.turns import Turns
from meterbook.ledger.v1 import entitlement_pb2, entitlement_pb2_grpc
from meterbook.wire import instants

Response = TypeVar("Response")


class EntitlementService(entitlement_pb2_grpc.EntitlementsServicer):
    """Answers for a journal; see ``entitlement.proto`` for what each call gives. ``webhooks`` are the names of those that there are."""

    def __init__(self, journal: Journal, turns: Turns, entitling: Entitling, webhooks: Sequence[str]) -> None:
        self._journal, self._turns, self._entitling, self._webhooks = journal, turns, entitling, webhooks

    async def Check(
        self, request: entitlement_pb2.CheckEntitlementRequest, context: Any
    ) -> entitlement_pb2.CheckEntitlementResponse:
        """Whether a tenant may use a feature."""
        sees_all = seen() is None
        if request.as_of:
            return await or_status(context, self._turns.answer(entitled.check_as_of, self._journal, request, sees_all))

        def answer(snapshot: Snapshot, at_us: int) -> entitlement_pb2.CheckEntitlementResponse:
            return entitled.check(snapshot, request, at_us, sees_all=sees_all)

        return await or_status(context, self._now(request.at_least, answer))

    async def List(
        self, request: entitlement_pb2.ListEntitlementsRequest, context: Any
    ) -> entitlement_pb2.ListEntitlementsResponse:
        """What a tenant has of every feature."""
        sees_all = seen() is None
        if request.as_of:
            return await or_status(context, self._turns.answer(entitled.every_as_of, self._journal, request, sees_all))

        def answer(snapshot: Snapshot, at_us: int) -> entitlement_pb2.ListEntitlementsResponse:
            return entitled.every(snapshot, request, at_us, sees_all=sees_all)

        return await or_status(context, self._now(request.at_least, answer))

    async def Notifications(
        self, request: entitlement_pb2.NotificationsRequest, context: Any
    ) -> entitlement_pb2.NotificationsResponse:
        """Thresholds that were reached."""
        return await or_status(
            context, self._turns.answer(notified.answer_notifications, self._journal, request, seen())
        )

    async def Replay(
        self, request: entitlement_pb2.ReplayNotificationsRequest, context: Any
    ) -> entitlement_pb2.ReplayNotificationsResponse:
        """Notifications that are delivered again."""
        caller = str(current_session().caller)
        return await answered(context, notified.replay, self._journal, request, self._webhooks, caller)

    async def _now(self, at_least: int, answer: Callable[[Snapshot, int], Response]) -> Response:
        snapshot = self._entitling.known(at_least) or await self._entitling.next(at_least)
        while True:
            try:
                return answer(snapshot, instants.now_us())
            except NotCounted:
                # A period has just begun of which usage was not counted yet.
                snapshot = await self._entitling.next(at_least)
