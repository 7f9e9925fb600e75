"""The Intake service: one stream per agent, batches in, acks out.

Batches arrive in an inbox; rounds take what is there, check and append it in a thread, and give the futures; these are queued,
and the stream itself awaits them in order and writes acks. The queue's bound is the number of batches under way: when the
disk is slow nothing is taken from the inbox, and gRPC's flow control holds the agent back. However the reader
ends, the last thing in the queue says so: a stream must never wait for a reader that is no more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import grpc

from ledger.access.policy import Denied
from ledger.access.writing import Defined, Writer
from ledger.intake.chains import Chain, Chains
from ledger.intake.checkers import Checkers, Look
from ledger.intake.contents import Checked, IntakeLimits
from ledger.intake.leasing import Leasing
from ledger.intake.recording import CHAIN_EPOCH, CHAIN_PREFIX, recorded
from ledger.intake.refusals import Refused
from ledger.journal.errors import JournalError, Overtaken
from ledger.server import arrivals
from ledger.server.authentication import current_session
from ledger.server.inbox import Inbox, Room
from ledger.server.rounds import SHARE_MAX, Messages, Rounds
from ledger.server.selfmetrics import SelfMetrics
from ledger.server.streamwitness import Send, StreamWitness
from meterbook import logs, tracing
from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from meterbook.wire.instants import now_us
from meterbook.wire.sections import SCHEMA_VERSION, encode
from meterbook.wire.software import software

_WORKERS = 2
_TRIES = 5
_CODE_PREFIX = "REFUSAL_CODE_"
_STATUS = {
    intake_pb2.REFUSAL_CODE_TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    intake_pb2.REFUSAL_CODE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _UnderWay:
    """A batch that was accepted and is on its way to the disk."""

    sequence: int
    hash: bytes
    size: int
    position: Future[int]
    arrived_s: float = 0.0

    @property
    def is_durable(self) -> bool:
        """Whether it is known to be on the disk."""
        return self.position.done() and self.position.exception() is None


class _NothingYet:
    """Nothing else is under way just now."""


_Item = _UnderWay | intake_pb2.ServerMessage | None
#: What was accepted, and the refusal that ended it, if one did.
_Accepted = tuple[list[_UnderWay], intake_pb2.ServerMessage | None]


@dataclass(frozen=True)
class _Sender:
    """Who sends on a stream, and what may be written there."""

    chain: Chain
    writer: Writer
    #: What the log calls the stream; rounds are worked on in threads that know nothing of it.
    ids: Mapping[str, Any] = field(default_factory=logs.ids, compare=False)


class IntakeService(intake_pb2_grpc.IntakeServicer):
    """Serves the chains of a journal; ``defined`` as in ``ledger.access.writing``.

    ``witness`` makes what shows checkpoints on a stream, from the size that the agent holds and the stream's queue.
    """

    def __init__(
        self,
        chains: Chains,
        limits: IntakeLimits,
        metrics: SelfMetrics,
        defined: Defined,
        witness: Callable[[int, Send], StreamWitness],
        leasing: Leasing,
    ) -> None:
        self._chains, self._limits, self._metrics, self._defined = chains, limits, metrics, defined
        self._witness, self._leasing = witness, leasing
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="intake")
        self._checkers = Checkers(limits)
        self._open = 0
        share = min(SHARE_MAX, limits.in_flight_max)
        self._rounds: Rounds[_Sender, _Accepted] = Rounds(
            self._workers, self._accept, _WORKERS, share, lambda: chains.hold_back_s
        )
        self._room = Room()
        self._per_agent: Counter[str] = Counter()

    async def Stream(self, request_iterator: Any, context: Any) -> AsyncIterator[intake_pb2.ServerMessage]:
        """Hello and Resume, then batches and acks until either side ends the stream."""
        if self._open >= self._limits.streams_max:
            self._metrics.limited("streams_max")
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"streams_max {self._limits.streams_max} is reached; try again later",
            )
        self._open += 1
        self._metrics.streams.inc()
        try:
            async with aclosing(self._conversation(request_iterator)) as conversation:
                async for message in conversation:
                    yield message
        finally:
            self._open -= 1
            self._metrics.streams.dec()

    async def Record(self, request: intake_pb2.RecordRequest, context: Any) -> intake_pb2.RecordResponse:
        """Events row by row; answers when they are durable."""
        async with self._aborting(context):
            return intake_pb2.RecordResponse(position=await self._recorded(request))
        raise AssertionError("abort does not return")

    async def Lease(self, request: intake_pb2.LeaseRequest, context: Any) -> intake_pb2.LeaseResponse:
        """Who reads which source."""
        async with self._aborting(context):
            answer: intake_pb2.LeaseResponse = await self._in_thread(self._leasing.answer, request)
            return answer
        raise AssertionError("abort does not return")

    async def Greet(self, request: intake_pb2.GreetRequest, context: Any) -> intake_pb2.GreetResponse:
        """Who answers, and what is understood here."""
        return intake_pb2.GreetResponse(software=software(), schemas=[SCHEMA_VERSION], time_us=now_us())

    @asynccontextmanager
    async def _aborting(self, context: Any) -> AsyncIterator[None]:
        """What is refused ends the call with a status."""
        try:
            yield
        except Refused as refused:
            self._metrics.refused(refused.code)
            self._metrics.limited(refused.limit)
            status = _STATUS.get(refused.code, grpc.StatusCode.INVALID_ARGUMENT)
            await context.abort(status, refused.message)
        except JournalError as error:
            self._metrics.refused(intake_pb2.REFUSAL_CODE_UNAVAILABLE)
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

    async def _recorded(self, request: intake_pb2.RecordRequest) -> int:
        """Position of the events. Who was overtaken in the sender's chain by another replica seals them anew."""
        for tries_left in reversed(range(_TRIES)):
            try:
                return await asyncio.wrap_future(await self._in_thread(self._record, request))
            except Overtaken:
                if not tries_left:
                    raise
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Let the worker threads end; what they have not looked at yet is refused, to be sent again to the next ledger."""
        self._chains.stop()
        self._checkers.stop()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._checkers.close()
        self._chains.close()

    async def _conversation(self, requests: Any) -> AsyncGenerator[intake_pb2.ServerMessage, None]:
        session = current_session()
        writer = Writer(session, self._defined)
        is_known = session.caller.role == "agent"
        with ExitStack() as counted:
            try:
                if is_known:
                    # Also while it has not said hello: its streams are its own whatever it will say.
                    counted.enter_context(self._counted(session.caller.name))
                chain, resume, held_size = await self._hello(requests, writer)
                if not is_known:
                    counted.enter_context(self._counted(chain.agent))
            except (Refused, Denied, JournalError) as error:
                yield self._refusal(0, error)
                return
            async with aclosing(self._acknowledged(requests, chain, resume, writer, held_size)) as messages:
                async for message in messages:
                    yield message

    @contextmanager
    def _counted(self, agent: str) -> Iterator[None]:
        """One more stream of an agent. Raises Refused where it has too many."""
        if self._per_agent[agent] >= self._limits.streams_per_agent_max:
            raise _too_many_streams(agent, self._limits.streams_per_agent_max)
        self._per_agent[agent] += 1
        try:
            yield
        finally:
            self._per_agent -= Counter([agent])

    async def _acknowledged(
        self, requests: Any, chain: Chain, resume: intake_pb2.Resume, writer: Writer, held_size: int
    ) -> AsyncGenerator[intake_pb2.ServerMessage, None]:
        under_way: asyncio.Queue[_Item] = asyncio.Queue(self._limits.in_flight_max)
        witness = self._witness(held_size, under_way.put)
        reader = None
        try:
            first = await witness.first(chain.name)
            if first is not None:
                resume.witness.CopyFrom(first)
            yield intake_pb2.ServerMessage(resume=resume)
            reader = asyncio.create_task(self._read(requests, chain, writer, under_way))
            item = await under_way.get()
            while item is not None:
                if isinstance(item, intake_pb2.ServerMessage):
                    yield item
                    if item.HasField("refusal"):
                        return
                    item = await under_way.get()
                    continue
                try:
                    position = await asyncio.wrap_future(item.position)
                except (Refused, JournalError) as error:
                    yield self._refusal(item.sequence, error)
                    return
                now_s, durable_ns = time.monotonic(), tracing.now_ns()
                tracing.told("ack", item.hash, durable_ns, sequence=item.sequence)
                self._metrics.acknowledged(item.size, now_s - item.arrived_s)
                following = _next(under_way)
                while isinstance(following, _UnderWay) and following.is_durable:
                    # Acks are cumulative: one says it for everything that the same sync made durable.
                    item, position, following = following, following.position.result(), _next(under_way)
                    self._metrics.acknowledged(item.size, now_s - item.arrived_s)
                    tracing.told("ack", item.hash, durable_ns, sequence=item.sequence)
                ack = intake_pb2.Ack(sequence=item.sequence, hash=item.hash, position=position)
                yield intake_pb2.ServerMessage(ack=ack)
                witness.acknowledged(item.sequence, position)
                item = await under_way.get() if isinstance(following, _NothingYet) else following
        finally:
            if reader is not None:
                reader.cancel()
            witness.close()

    async def _hello(self, requests: Any, writer: Writer) -> tuple[Chain, intake_pb2.Resume, int]:
        try:
            first = await asyncio.wait_for(anext(aiter(requests), None), self._limits.hello_timeout_s)
        except TimeoutError:
            raise Refused(
                intake_pb2.REFUSAL_CODE_MALFORMED,
                f"no hello within hello_timeout_s {self._limits.hello_timeout_s:g}",
                "hello_timeout_s",
            ) from None
        if first is None or first.WhichOneof("message") != "hello":
            raise Refused(intake_pb2.REFUSAL_CODE_MALFORMED, "the first message of a stream is a hello")
        writer.greet(first.hello)
        logs.bind(agent=first.hello.agent, epoch=first.hello.epoch)
        chain = await self._in_thread(self._chains.hello, first.hello)
        sequence, digest = await self._in_thread(self._chains.durable, chain)
        resume = intake_pb2.Resume(
            sequence=sequence,
            hash=digest,
            in_flight_max=self._limits.in_flight_max,
            batch_bytes_max=self._limits.batch_bytes_max,
        )
        return chain, resume, first.hello.checkpoint_size

    async def _read(self, requests: Any, chain: Chain, writer: Writer, under_way: asyncio.Queue[Any]) -> None:
        inbox = Inbox(self._room)
        reading = asyncio.create_task(inbox.fill(requests))
        last = None
        try:
            while last is None and await inbox.has_some():
                accepted, last = await self._rounds.join(_Sender(chain, writer), inbox)
                for item in accepted:
                    # In the order in which they came, and up to the first that is refused, which is the end.
                    await under_way.put(replace(item, arrived_s=inbox.arrivals_s.popleft()))
        except Exception as error:
            logger.exception("what came from %s could not be taken", chain.name)
            last = self._refusal(0, _failed(error))
        finally:
            reading.cancel()
            inbox.close()
        await under_way.put(last)

    def _accept(self, portions: Sequence[tuple[_Sender, Messages]]) -> list[_Accepted]:
        """Check and append the batches of each sender, up to the first that is refused: its refusal comes last."""
        batches = [message.batch for _, messages in portions for message in messages]
        with_ids = any(not sender.writer.may_write_everything for sender, _ in portions)
        with closing(self._checkers.looks(batches, with_ids=with_ids)) as looks:
            return [self._accept_of(sender, messages, islice(looks, len(messages))) for sender, messages in portions]

    def _accept_of(self, sender: _Sender, messages: Messages, looks: Iterator[Look]) -> _Accepted:
        accepted: list[_UnderWay] = []
        refusal = None
        # Those behind one that is refused are passed over: what was found in them has to be taken all the same.
        began_ns = tracing.now_ns()
        for message, look in zip(messages, looks, strict=True):
            if refusal is not None:
                continue
            batch = message.batch
            ids = {**sender.ids, **tracing.ids(batch.hash)}
            try:
                if message.WhichOneof("message") != "batch":
                    raise Refused(intake_pb2.REFUSAL_CODE_MALFORMED, "after the hello every message is a batch")
                position = self._chains.accept(sender.chain, batch, look, partial(_judge, sender.writer))
                arrivals.told(batch, began_ns, position, sender.ids)
            except (Refused, Denied, JournalError) as error:
                with logs.bound(**ids):
                    refusal = self._refusal(batch.sequence, error)
            except Exception as error:
                with logs.bound(**ids):
                    logger.exception("batch %d of %s could not be taken", batch.sequence, sender.chain.name)
                    refusal = self._refusal(batch.sequence, _failed(error))
            else:
                accepted.append(_UnderWay(batch.sequence, batch.hash, batch.ByteSize(), position))
        return accepted, refusal

    def _record(self, request: intake_pb2.RecordRequest) -> Future[int]:
        content = recorded(request, self._limits.rows_max)
        chain = self._chains.open(CHAIN_PREFIX + request.sender, CHAIN_EPOCH)
        return self._chains.seal(chain, content, {"events": encode(content.events)})

    def _refusal(self, sequence: int, error: Refused | Denied | JournalError) -> intake_pb2.ServerMessage:
        code = intake_pb2.REFUSAL_CODE_UNAVAILABLE
        if isinstance(error, Refused):
            code = error.code
            self._metrics.limited(error.limit)
        elif isinstance(error, Denied):
            code = intake_pb2.REFUSAL_CODE_FORBIDDEN
        self._metrics.refused(code)
        level = logging.INFO if code == intake_pb2.REFUSAL_CODE_UNAVAILABLE else logging.WARNING
        with logs.bound(sequence=sequence):
            logger.log(level, "refused as %s: %s", intake_pb2.RefusalCode.Name(code).removeprefix(_CODE_PREFIX), error)
        refusal = intake_pb2.Refusal(sequence=sequence, code=code, message=str(error))
        return intake_pb2.ServerMessage(refusal=refusal)

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *arguments)


def _judge(writer: Writer, batch: intake_pb2.Batch, found: Checked) -> None:
    """Whether the caller may write what is in the batch. Raises Denied and JournalError."""
    writer.still_stands()
    if not writer.may_write_everything:
        writer.check(found.without_samples(batch), found.used_ids())


def _failed(error: Exception) -> JournalError:
    return JournalError(f"the ledger failed: {error}; its log has the details")


def _too_many_streams(agent: str, allowed: int) -> Refused:
    return Refused(
        intake_pb2.REFUSAL_CODE_UNAVAILABLE,
        f"agent {agent} has {allowed} streams open, as many as streams_per_agent_max allows",
        "streams_per_agent_max",
    )


def _next(under_way: asyncio.Queue[_Item]) -> _Item | _NothingYet:
    return _NothingYet() if under_way.empty() else under_way.get_nowait()
