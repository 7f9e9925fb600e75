"""The way to the ledger: which versions of a bill it has, and a chain of batches, from where the ledger holds it.

One stream is one try. Where it breaks off another one goes on behind what the ledger has acknowledged, since the chain can be made again
from its beginning, batch for batch. A chain of that name that holds something else, such as one that another version of this program cut
in another way, is left alone: the same bills go on the chain of the next epoch, and no line counts twice there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence

import grpc

from agent.config import LedgerConfig
from agent.connection import bearer, channel
from agent.importing.errors import ImportFault
from agent.sendwindow import SendWindow
from agent.spool.sealing import Chain, SealedBatch
from agent.uplink import wire_batch
from meterbook.intake.v1 import intake_pb2
from meterbook.intake.v1.intake_pb2_grpc import IntakeStub
from meterbook.ledger.v1 import query_pb2
from meterbook.ledger.v1.query_pb2_grpc import QueryStub
from meterbook.wire.sections import SCHEMA_VERSION
from meterbook.wire.software import software

#: Makes a chain from its beginning.
Making = Callable[[Chain], Iterator[SealedBatch]]

TRIES = 6
_EPOCHS = 100
_POLL_S = 0.5
_ASK_S = 150.0
_BACKOFF_FIRST_S, _BACKOFF_MAX_S = 0.2, 10.0
_PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)


class _BrokenOff(Exception):
    """The stream ended; another may fare better."""


class _OtherChain(Exception):
    """What the ledger holds under this name and epoch is something else."""


class Ledger:
    """A ledger, over one connection."""

    def __init__(self, config: LedgerConfig, token: str) -> None:
        """Connects when it is first asked. Raises StartError where a certificate's file cannot be read."""
        self._config = config
        self._metadata = bearer(token) if token else ()
        self._channel = channel(config)

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    def bills(self, source: str) -> Sequence[query_pb2.BillRow]:
        """Every version of every bill of a source, the newest first. Raises ImportFault."""
        request = query_pb2.BillsRequest(sources=[source])
        try:
            return QueryStub(self._channel).Bills(request, timeout=_ASK_S, metadata=self._metadata).rows
        except grpc.RpcError as error:
            if _status(error) is grpc.StatusCode.INVALID_ARGUMENT:
                # A source of which there is no bill yet is an unknown one.
                return ()
            raise ImportFault(_sentence(error, self._config.endpoint)) from error

    def bring(self, name: str, make: Making, is_there: Callable[[], bool]) -> None:
        """Bring the chain of a name, until all of it is durable. Raises ImportFault, and what ``make`` raises.

        ``is_there`` tells whether somebody else has brought meanwhile what the chain is for.
        """
        epoch, tries, wait_s = 1, 0, _BACKOFF_FIRST_S
        while True:
            sending = _Sending(self._config, make(Chain(name, epoch)))
            try:
                sending.run(self._channel, self._metadata, name, epoch)
                return
            except _OtherChain as error:
                if is_there():
                    return
                epoch += 1
                if epoch > _EPOCHS:
                    raise ImportFault(f"{self._config.endpoint}: {error}") from error
            except _BrokenOff as error:
                tries = 1 if sending.has_progress else tries + 1
                if tries >= TRIES:
                    raise ImportFault(f"{error}: run the command again, it goes on where it was") from error
                time.sleep(random.uniform(0, wait_s))  # noqa: S311 - spreads load
                wait_s = min(_BACKOFF_MAX_S, wait_s * 2)


class _Feed:
    """A chain as the send window reads it: onwards, and known to be at its end with the last batch that was taken."""

    def __init__(self, batches: Iterator[SealedBatch]) -> None:
        self._batches = batches
        self._next = next(batches, None)
        self.hashes: dict[int, bytes] = {}
        #: The last sequence of the chain, once it is known.
        self.last: int | None = None

    def after(self, sequence: int, limit: int) -> list[SealedBatch]:
        """The next batches; ``sequence`` is that of the one before."""
        found: list[SealedBatch] = []
        while self._next is not None and len(found) < limit:
            found.append(self._next)
            self.hashes[self._next.sequence] = self._next.hash
            self._next = next(self._batches, None)
        if self._next is None and found:
            self.last = found[-1].sequence
        return found

    def skip(self, sequence: int, digest: bytes) -> None:
        """Pass over what the ledger holds. Raises _OtherChain where that is something else."""
        held = b""
        for number in range(1, sequence + 1):
            found = self.after(number - 1, 1)
            if not found:
                break
            held = found[0].hash
        if sequence and held != digest:
            raise _OtherChain(f"sequence {sequence} is held with another content")
        self.hashes.clear()


class _Sending:
    """One stream, from Hello to the last acknowledgement."""

    def __init__(self, config: LedgerConfig, batches: Iterator[SealedBatch]) -> None:
        self._config = config
        self._feed = _Feed(batches)
        self._window = SendWindow(self._feed.after)
        self._fault: Exception | None = None
        self._call: grpc.Call | None = None
        self.has_progress = False

    def run(self, connection: grpc.Channel, metadata: tuple[tuple[str, str], ...], name: str, epoch: int) -> None:
        """Returns once all is acknowledged. Raises _BrokenOff, _OtherChain, ImportFault, and what the batches raise."""
        hello = intake_pb2.Hello(agent=name, epoch=epoch, schema=SCHEMA_VERSION, software=software())
        call = IntakeStub(connection).Stream(self._outgoing(hello), metadata=metadata)
        self._call = call
        try:
            for message in call:
                if self._hear(message):
                    return
            raise _BrokenOff(f"{self._config.endpoint}: the ledger ended the stream")
        except grpc.RpcError as error:
            if self._fault is not None:
                raise self._fault from None
            told = _sentence(error, self._config.endpoint)
            raise (_BrokenOff(told) if _status(error) in _PASSING else ImportFault(told)) from error
        finally:
            self._window.close()
            call.cancel()

    def _outgoing(self, hello: intake_pb2.Hello) -> Iterator[intake_pb2.ClientMessage]:
        """What gRPC sends, from a thread of its own; what is raised here would vanish there."""
        yield intake_pb2.ClientMessage(hello=hello)
        try:
            while not self._window.is_closed:
                batch = self._window.take(_POLL_S)
                if batch is not None:
                    yield intake_pb2.ClientMessage(batch=wire_batch(batch))
                elif self._window.silent_s > self._config.ack_timeout_s:
                    raise _BrokenOff(f"{self._config.endpoint}: no answer for {self._config.ack_timeout_s:g} s")
        except Exception as error:  # noqa: BLE001 - gRPC would keep it to itself
            self._fault = error
            if self._call is not None:
                self._call.cancel()

    def _hear(self, message: intake_pb2.ServerMessage) -> bool:
        """Whether all is acknowledged. Raises as :meth:`run` does."""
        match message.WhichOneof("message"):
            case "resume":
                resume = message.resume
                self._feed.skip(resume.sequence, resume.hash)
                if self._feed.last == resume.sequence:
                    return True
                in_flight_max = resume.in_flight_max or self._config.in_flight_max
                self._window.open(resume.sequence, min(in_flight_max, self._config.in_flight_max))
            case "ack":
                sequence = message.ack.sequence
                if self._feed.hashes.get(sequence) != message.ack.hash:
                    raise ImportFault(f"{self._config.endpoint} acknowledged sequence {sequence} that was never sent")
                self.has_progress = True
                self._window.acknowledged(sequence)
                return self._feed.last == sequence
            case "refusal":
                code = intake_pb2.RefusalCode.Name(message.refusal.code).removeprefix("REFUSAL_CODE_")
                told = f"{self._config.endpoint} refused sequence {message.refusal.sequence} as {code}: {message.refusal.message}"
                if message.refusal.code in (
                    intake_pb2.REFUSAL_CODE_UNAVAILABLE,
                    intake_pb2.REFUSAL_CODE_OUT_OF_ORDER,
                    # Somebody else brings the same just now, and was ahead.
                    intake_pb2.REFUSAL_CODE_CONFLICT,
                    intake_pb2.REFUSAL_CODE_BROKEN_CHAIN,
                ):
                    raise _BrokenOff(told)
                raise ImportFault(told)
        return False


def _status(error: grpc.RpcError) -> grpc.StatusCode:
    assert isinstance(error, grpc.Call)
    return error.code()


def _sentence(error: grpc.RpcError, endpoint: str) -> str:
    assert isinstance(error, grpc.Call)
    details = " ".join((error.details() or "").split())
    if details.startswith(("failed to connect", "errors resolving", "DNS resolution failed")):
        return f"no ledger answers at {endpoint}: start one, or name another with --ledger ({details[:200]})"
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return f"{endpoint} is no ledger, or one of another version"
    return f"{endpoint}: {details or error.code().name}"
