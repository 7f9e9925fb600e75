"""The Costing service: each call goes to one function of ``ledger.query``, in a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ledger.journal.journal import Journal
from ledger.query import allocated, estimated, focusexport, unitcost
from ledger.server.query_service import or_status
from ledger.server.turns import Turns
from meterbook.ledger.v1 import costing_pb2, costing_pb2_grpc


class CostingService(costing_pb2_grpc.CostingServicer):
    """Answers from the book of a journal; see ``costing.proto`` for what each call gives."""

    def __init__(self, journal: Journal, turns: Turns) -> None:
        self._journal, self._turns = journal, turns

    async def Reconcile(self, request: costing_pb2.ReconcileRequest, context: Any) -> costing_pb2.ReconcileResponse:
        """What was billed against what became of it."""
        return await or_status(context, self._turns.answer(allocated.answer_reconcile, self._journal, request))

    async def Allocation(self, request: costing_pb2.AllocationRequest, context: Any) -> costing_pb2.AllocationResponse:
        """What each tenant bears."""
        return await or_status(context, self._turns.answer(allocated.answer_allocation, self._journal, request))

    async def ExplainCost(
        self, request: costing_pb2.ExplainCostRequest, context: Any
    ) -> costing_pb2.ExplainCostResponse:
        """What one tenant bears, by rule and by charge."""
        return await or_status(context, self._turns.answer(allocated.answer_explain_cost, self._journal, request))

    async def ExportAllocation(
        self, request: costing_pb2.ExportAllocationRequest, context: Any
    ) -> AsyncIterator[costing_pb2.ExportAllocationResponse]:
        """The charges as rows of FOCUS, and what is to be said of them."""
        steps = focusexport.answer_export(self._journal, request)
        while (step := await or_status(context, self._turns.step(next, steps, None))) is not None:
            yield step

    async def Estimate(self, request: costing_pb2.EstimateRequest, context: Any) -> costing_pb2.EstimateResponse:
        """What was estimated against what was billed."""
        return await or_status(context, self._turns.answer(estimated.answer_estimate, self._journal, request))

    async def UnitCost(self, request: costing_pb2.UnitCostRequest, context: Any) -> costing_pb2.UnitCostResponse:
        """What one unit of what a meter measures cost."""
        return await or_status(context, self._turns.answer(unitcost.answer_unit_cost, self._journal, request))
