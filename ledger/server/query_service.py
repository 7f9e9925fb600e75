"""The Query and Admin services: each call goes to one function of ``ledger.query``, in a thread.

This is also the one place where the ledger's errors become gRPC's status codes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import grpc

from ledger.access.issuing import BadRequest
from ledger.access.policy import Denied, tenants_of
from ledger.directory.versions import UnreadableDefinition
from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal
from ledger.journal.overtaken import until_first
from ledger.metering.booking import Booker
from ledger.proof.errors import KeyRefused, NoSuchProof
from ledger.query import billed, money, standing, tracing, trying, usage
from ledger.query.applying import Applier
from ledger.query.questions import BadQuestion
from ledger.query.verify import kept_checkpoint, verify
from ledger.server.authentication import current_session
from meterbook.ledger.v1 import admin_pb2, admin_pb2_grpc, query_pb2, query_pb2_grpc

Response = TypeVar("Response")

logger = logging.getLogger(__name__)

_STATUS: dict[type[Exception], grpc.StatusCode] = {
    BadQuestion: grpc.StatusCode.INVALID_ARGUMENT,
    BadRequest: grpc.StatusCode.INVALID_ARGUMENT,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    NoSuchProof: grpc.StatusCode.NOT_FOUND,
    KeyRefused: grpc.StatusCode.FAILED_PRECONDITION,
    JournalError: grpc.StatusCode.UNAVAILABLE,
    UnreadableDefinition: grpc.StatusCode.FAILED_PRECONDITION,
}


async def answered(context: Any, function: Callable[..., Response], *arguments: Any) -> Response:
    """The answer of a function, or the status that its error stands for."""
    try:
        return await asyncio.to_thread(function, *arguments)
    except Exception as error:
        for kind, status in _STATUS.items():
            if isinstance(error, kind):
                await context.abort(status, str(error))
        logger.exception("a request failed")
        await context.abort(grpc.StatusCode.INTERNAL, f"the ledger failed: {error}; its log has the details")
        raise AssertionError("abort does not return") from error


def _seen() -> frozenset[str] | None:
    """The tenants whose rows the caller may see; None for all."""
    return tenants_of(current_session().caller)


class QueryService(query_pb2_grpc.QueryServicer):
    """Answers from the book of a journal; see ``query.proto`` for what each call gives."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def Usage(self, request: query_pb2.UsageRequest, context: Any) -> query_pb2.UsageResponse:
        """Metered quantities."""
        return await answered(context, usage.answer_usage, self._journal, request, _seen())

    async def TryMeter(self, request: query_pb2.TryMeterRequest, context: Any) -> query_pb2.TryMeterResponse:
        """What a meter would give."""
        return await answered(context, trying.answer_try_meter, self._journal, request)

    async def Trace(self, request: query_pb2.TraceRequest, context: Any) -> query_pb2.TraceResponse:
        """What a quantity is made of."""
        return await answered(context, tracing.answer_trace, self._journal, request)

    async def Cost(self, request: query_pb2.CostRequest, context: Any) -> query_pb2.CostResponse:
        """Cost to serve."""
        return await answered(context, money.answer_cost, self._journal, request)

    async def Margin(self, request: query_pb2.MarginRequest, context: Any) -> query_pb2.MarginResponse:
        """Revenue less cost."""
        return await answered(context, money.answer_margin, self._journal, request)

    async def Bills(self, request: query_pb2.BillsRequest, context: Any) -> query_pb2.BillsResponse:
        """Providers' bills."""
        return await answered(context, billed.answer_bills, self._journal, request)

    async def Charges(self, request: query_pb2.ChargesRequest, context: Any) -> query_pb2.ChargesResponse:
        """What they add up to."""
        return await answered(context, billed.answer_charges, self._journal, request)

    async def Invoice(self, request: query_pb2.InvoiceRequest, context: Any) -> query_pb2.InvoiceResponse:
        """Draft invoices."""
        return await answered(context, money.answer_invoice, self._journal, request)

    async def Agents(self, request: query_pb2.AgentsRequest, context: Any) -> query_pb2.AgentsResponse:
        """Chains."""
        return await answered(context, standing.answer_agents, self._journal, request)

    async def Coverage(self, request: query_pb2.CoverageRequest, context: Any) -> query_pb2.CoverageResponse:
        """Observed and expected time."""
        return await answered(context, standing.answer_coverage, self._journal, request, _seen())

    async def DeadLetters(self, request: query_pb2.DeadLettersRequest, context: Any) -> query_pb2.DeadLettersResponse:
        """What could not be used."""
        return await answered(context, standing.answer_dead_letters, self._journal, request)

    async def Definitions(self, request: query_pb2.DefinitionsRequest, context: Any) -> query_pb2.DefinitionsResponse:
        """Definitions."""
        return await answered(context, standing.answer_definitions, self._journal, request)

    async def Verify(self, request: query_pb2.VerifyRequest, context: Any) -> AsyncIterator[query_pb2.VerifyResponse]:
        """Progress of a check, and its verdict."""
        against = None
        if request.against:
            against = await answered(
                context, kept_checkpoint, self._journal, request.against, list(request.verifier_keys)
            )
        steps = verify(self._journal, request.from_position, request.to_position, against)
        while (step := await answered(context, next, steps, None)) is not None:
            yield step


class AdminService(admin_pb2_grpc.AdminServicer):
    """Adds to the book of a journal; see ``admin.proto``."""

    def __init__(self, journal: Journal, booker: Booker) -> None:
        self._applier = Applier(journal)
        self._booker = booker

    async def Apply(self, request: admin_pb2.ApplyRequest, context: Any) -> admin_pb2.ApplyResponse:
        """Definitions, all or none."""
        return await answered(context, self._applier.apply, request)

    async def Book(self, request: admin_pb2.BookRequest, context: Any) -> admin_pb2.BookResponse:
        """A metering run up to now."""
        position, entries = await answered(context, until_first, self._booker.book)
        return admin_pb2.BookResponse(position=position, entries=entries)
