"""The Invoicing service: each call goes to one function of ``ledger.query``, in a thread.

Questions have a turn and a time limit; acts are finished once they have begun. A run of finalizing ends where the caller hangs up: what
it told is in the book, and the next run goes on behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ledger.journal.journal import Journal
from ledger.query import invoices
from ledger.query.finalizing import Finalizer
from ledger.server.authentication import current_session
from ledger.server.query_service import answered, or_status, seen
from ledger.server.turns import Turns
from meterbook.ledger.v1 import invoicing_pb2, invoicing_pb2_grpc


class InvoicingService(invoicing_pb2_grpc.InvoicingServicer):
    """Finalizes invoices of a journal, and answers for them; see ``invoicing.proto``."""

    def __init__(self, journal: Journal, turns: Turns, finalizer: Finalizer) -> None:
        self._journal, self._turns, self._finalizer = journal, turns, finalizer

    async def Finalize(
        self, request: invoicing_pb2.FinalizeRequest, context: Any
    ) -> AsyncIterator[invoicing_pb2.FinalizeResponse]:
        """Drafts that become invoices."""
        steps = self._finalizer.finalize(request, str(current_session().caller))
        while (step := await answered(context, next, steps, None)) is not None:
            yield step

    async def Correct(self, request: invoicing_pb2.CorrectRequest, context: Any) -> invoicing_pb2.CorrectResponse:
        """What earlier invoices should have been, at once."""
        return await answered(context, self._finalizer.correct, request, str(current_session().caller))

    async def Invoices(self, request: invoicing_pb2.InvoicesRequest, context: Any) -> invoicing_pb2.InvoicesResponse:
        """Finalized invoices."""
        return await or_status(context, self._turns.answer(invoices.answer_invoices, self._journal, request, seen()))

    async def FinalInvoice(
        self, request: invoicing_pb2.FinalInvoiceRequest, context: Any
    ) -> invoicing_pb2.FinalInvoiceResponse:
        """One finalized invoice."""
        return await or_status(
            context, self._turns.answer(invoices.answer_final_invoice, self._journal, request, seen())
        )

    async def VerifyInvoice(
        self, request: invoicing_pb2.VerifyInvoiceRequest, context: Any
    ) -> invoicing_pb2.VerifyInvoiceResponse:
        """An invoice computed again."""
        return await or_status(
            context, self._turns.answer(invoices.answer_verify_invoice, self._journal, request, seen())
        )

    async def ExplainLine(
        self, request: invoicing_pb2.ExplainLineRequest, context: Any
    ) -> invoicing_pb2.ExplainLineResponse:
        """What a line stands on."""
        return await or_status(
            context, self._turns.answer(invoices.answer_explain_line, self._journal, request, seen())
        )
