"""The Planning service: each call goes to one function of ``ledger.query``, in a thread."""

from __future__ import annotations

from typing import Any

from ledger.journal.journal import Journal
from ledger.query import planning
from ledger.server.query_service import or_status
from ledger.server.turns import Turns
from meterbook.ledger.v1 import planning_pb2, planning_pb2_grpc


class PlanningService(planning_pb2_grpc.PlanningServicer):
    """Answers from the book of a journal, and never adds to it; see ``planning.proto`` for what each call gives."""

    def __init__(self, journal: Journal, turns: Turns) -> None:
        self._journal, self._turns = journal, turns

    async def Diff(self, request: planning_pb2.DiffRequest, context: Any) -> planning_pb2.DiffResponse:
        """What applying a manifest would change."""
        return await or_status(context, self._turns.answer(planning.answer_diff, self._journal, request))

    async def Simulate(self, request: planning_pb2.SimulateRequest, context: Any) -> planning_pb2.SimulateResponse:
        """What past usage would have come to."""
        return await or_status(context, self._turns.answer(planning.answer_simulate, self._journal, request))
