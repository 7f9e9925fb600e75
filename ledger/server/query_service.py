"""The Query and Admin services: each call goes to one function of ``ledger.query``, in a thread.

Questions have a turn and a time limit (see ``turns``), and end when nobody waits for them any more; acts are finished once they have begun.
This is also the one place where the ledger's errors become gRPC's status codes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import grpc

from ledger.access.issuing import BadRequest
from ledger.access.policy import Denied, tenants_of
from ledger.directory.versions import UnreadableDefinition
from ledger.journal.cancelling import Cancelled
from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal
from ledger.journal.overtaken import until_first
from ledger.metering.booking import Booker, Unbookable
from ledger.proof.errors import KeyRefused, NoSuchProof
from ledger.query import billed, correcting, event, margin, money, periods, standing, tracing, trying, usage
from ledger.query.amending import Amender
from ledger.query.applying import Applier
from ledger.query.closing import PeriodCloser
from ledger.query.questions import BadQuestion
from ledger.query.verify import kept_checkpoint, verify
from ledger.server.authentication import current_session
from ledger.server.turns import TooLong, TooMany, Turns
from meterbook import logs
from meterbook.ledger.v1 import admin_pb2, admin_pb2_grpc, period_pb2, query_pb2, query_pb2_grpc

Response = TypeVar("Response")

logger = logging.getLogger(__name__)

_STATUS: dict[type[Exception], grpc.StatusCode] = {
    BadQuestion: grpc.StatusCode.INVALID_ARGUMENT,
    BadRequest: grpc.StatusCode.INVALID_ARGUMENT,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    NoSuchProof: grpc.StatusCode.NOT_FOUND,
    KeyRefused: grpc.StatusCode.FAILED_PRECONDITION,
    # Before the errors of which it is one: to try again changes nothing.
    Unbookable: grpc.StatusCode.FAILED_PRECONDITION,
    JournalError: grpc.StatusCode.UNAVAILABLE,
    UnreadableDefinition: grpc.StatusCode.FAILED_PRECONDITION,
    Cancelled: grpc.StatusCode.CANCELLED,
    TooLong: grpc.StatusCode.DEADLINE_EXCEEDED,
    TooMany: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


async def answered(context: Any, function: Callable[..., Response], *arguments: Any) -> Response:
    """The answer of a function, which runs to its end, or the status that its error stands for."""
    return await or_status(context, asyncio.to_thread(function, *arguments))


async def or_status(context: Any, answer: Awaitable[Response]) -> Response:
    """An answer, or the status that its error stands for."""
    try:
        return await answer
    except Exception as error:
        for kind, status in _STATUS.items():
            if isinstance(error, kind):
                await context.abort(status, str(error))
        logger.exception("a request failed")
        named = logs.ids().get("request_id", "")
        told = f"the ledger failed: {error}; its log has the details" + (f", under request_id {named}" if named else "")
        await context.abort(grpc.StatusCode.INTERNAL, told)
        raise AssertionError("abort does not return") from error


def seen() -> frozenset[str] | None:
    """The tenants whose rows the caller may see; None for all."""
    return tenants_of(current_session().caller)


class QueryService(query_pb2_grpc.QueryServicer):
    """Answers from the book of a journal; see ``query.proto`` for what each call gives."""

    def __init__(self, journal: Journal, turns: Turns) -> None:
        self._journal, self._turns = journal, turns

    async def _answer(self, context: Any, function: Callable[..., Response], *arguments: object) -> Response:
        """The answer of a function of the journal and arguments, in its turn."""
        return await or_status(context, self._turns.answer(function, self._journal, *arguments))

    async def Usage(self, request: query_pb2.UsageRequest, context: Any) -> query_pb2.UsageResponse:
        """Metered quantities."""
        return await self._answer(context, usage.answer_usage, request, seen())

    async def TryMeter(self, request: query_pb2.TryMeterRequest, context: Any) -> query_pb2.TryMeterResponse:
        """What a meter would give."""
        return await self._answer(context, trying.answer_try_meter, request)

    async def Trace(self, request: query_pb2.TraceRequest, context: Any) -> query_pb2.TraceResponse:
        """What a quantity is made of."""
        return await self._answer(context, tracing.answer_trace, request, seen())

    async def Corrections(self, request: query_pb2.CorrectionsRequest, context: Any) -> query_pb2.CorrectionsResponse:
        """What was corrected, and why."""
        return await self._answer(context, correcting.answer_corrections, request)

    async def Event(self, request: query_pb2.EventRequest, context: Any) -> query_pb2.EventResponse:
        """An event, and what was amended of it."""
        return await self._answer(context, event.answer_event, request)

    async def Cost(self, request: query_pb2.CostRequest, context: Any) -> query_pb2.CostResponse:
        """Cost to serve."""
        return await self._answer(context, money.answer_cost, request)

    async def Margin(self, request: query_pb2.MarginRequest, context: Any) -> query_pb2.MarginResponse:
        """Revenue less cost."""
        return await self._answer(context, margin.answer_margin, request)

    async def Bills(self, request: query_pb2.BillsRequest, context: Any) -> query_pb2.BillsResponse:
        """Providers' bills."""
        return await self._answer(context, billed.answer_bills, request)

    async def Charges(self, request: query_pb2.ChargesRequest, context: Any) -> query_pb2.ChargesResponse:
        """What they add up to."""
        return await self._answer(context, billed.answer_charges, request)

    async def Invoice(self, request: query_pb2.InvoiceRequest, context: Any) -> query_pb2.InvoiceResponse:
        """Draft invoices."""
        return await self._answer(context, money.answer_invoice, request)

    async def Periods(self, request: period_pb2.PeriodsRequest, context: Any) -> period_pb2.PeriodsResponse:
        """Closes of periods."""
        return await self._answer(context, periods.answer_periods, request)

    async def Period(self, request: period_pb2.PeriodRequest, context: Any) -> period_pb2.PeriodResponse:
        """A closed period, and what was corrected since."""
        return await self._answer(context, periods.answer_period, request)

    async def Agents(self, request: query_pb2.AgentsRequest, context: Any) -> query_pb2.AgentsResponse:
        """Chains."""
        return await self._answer(context, standing.answer_agents, request)

    async def Coverage(self, request: query_pb2.CoverageRequest, context: Any) -> query_pb2.CoverageResponse:
        """Observed and expected time."""
        return await self._answer(context, standing.answer_coverage, request, seen())

    async def DeadLetters(self, request: query_pb2.DeadLettersRequest, context: Any) -> query_pb2.DeadLettersResponse:
        """What could not be used."""
        return await self._answer(context, standing.answer_dead_letters, request)

    async def Definitions(self, request: query_pb2.DefinitionsRequest, context: Any) -> query_pb2.DefinitionsResponse:
        """Definitions."""
        return await self._answer(context, standing.answer_definitions, request)

    async def Verify(self, request: query_pb2.VerifyRequest, context: Any) -> AsyncIterator[query_pb2.VerifyResponse]:
        """Progress of a check, and its verdict."""
        against = None
        if request.against:
            keys = list(request.verifier_keys)
            against = await self._answer(context, kept_checkpoint, request.against, keys)
        steps = verify(self._journal, request.from_position, request.to_position, against)
        while (step := await or_status(context, self._turns.step(next, steps, None))) is not None:
            yield step


class AdminService(admin_pb2_grpc.AdminServicer):
    """Adds to the book of a journal; see ``admin.proto``."""

    def __init__(self, journal: Journal, booker: Booker, closer: PeriodCloser) -> None:
        self._applier = Applier(journal)
        self._amender = Amender(journal)
        self._booker = booker
        self._closer = closer

    async def Apply(self, request: admin_pb2.ApplyRequest, context: Any) -> admin_pb2.ApplyResponse:
        """Definitions, all or none."""
        return await answered(context, self._applier.apply, request)

    async def Book(self, request: admin_pb2.BookRequest, context: Any) -> admin_pb2.BookResponse:
        """A metering run up to now."""
        position, entries = await answered(context, until_first, self._booker.book)
        return admin_pb2.BookResponse(position=position, entries=entries)

    async def AmendEvent(self, request: admin_pb2.AmendEventRequest, context: Any) -> admin_pb2.AmendEventResponse:
        """A correction of one event."""
        return await answered(context, self._amender.amend, request)

    async def ClosePeriod(self, request: period_pb2.ClosePeriodRequest, context: Any) -> period_pb2.ClosePeriodResponse:
        """A period closed, or what is in the way."""
        return await answered(context, self._closer.close, request, str(current_session().caller))
