"""A small ledger that follows intake.proto to the letter and can be made to misbehave.

:class:`Book` is what it holds: chains that are checked as they grow. :class:`FakeIntake` serves a book over real gRPC.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field

import grpc
import pyarrow as pa

from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from meterbook.wire.seal import GENESIS, ChainPlace, batch_hash
from meterbook.wire.sections import SCHEMAS, Sections, decode

_ROWS_MAX = 10_000_000


class Refused(Exception):
    """The batch breaks the contract."""


@dataclass
class Book:
    """Accepted batches by (agent, epoch), in order, each as (hash, content)."""

    chains: dict[tuple[str, int], list[tuple[bytes, Sections]]] = field(default_factory=dict)

    def end(self, agent: str, epoch: int) -> tuple[int, bytes]:
        """Sequence and hash of the last batch held."""
        chain = self.chains.get((agent, epoch), [])
        return len(chain), chain[-1][0] if chain else GENESIS

    def accept(self, agent: str, epoch: int, batch: intake_pb2.Batch) -> None:
        """Keeps the next batch of a chain. Raises Refused for anything that the contract forbids."""
        sequence, previous = self.end(agent, epoch)
        if batch.sequence != sequence + 1:
            raise Refused(f"sequence {batch.sequence} after {sequence}")
        if batch.previous_hash != previous:
            raise Refused(f"sequence {batch.sequence}: the previous hash is another")
        content = Sections(**{name: decode(name, getattr(batch, name), _ROWS_MAX) for name in SCHEMAS})
        if batch_hash(ChainPlace(agent, epoch, batch.sequence, previous), content) != batch.hash:
            raise Refused(f"sequence {batch.sequence}: the hash does not fit the content")
        if content.rows == 0:
            raise Refused(f"sequence {batch.sequence} is empty")
        earlier = [held.series for _, held in self.chains.get((agent, epoch), [])]
        self._check_definitions(pa.concat_tables([*earlier, content.series]), content)
        self.chains.setdefault((agent, epoch), []).append((batch.hash, content))

    def rewind(self, batches: int) -> None:
        """As after a restore: every chain loses its last batches."""
        for chain in self.chains.values():
            del chain[max(0, len(chain) - batches) :]

    def contents(self) -> list[Sections]:
        """Everything held."""
        return [content for chain in self.chains.values() for _, content in chain]

    def samples(self) -> list[tuple[int, float]]:
        """(series, value) of every sample held."""
        rows = [row for content in self.contents() for row in content.samples.to_pylist()]
        return [(row["series_id"], row["value"]) for row in rows]

    @staticmethod
    def _check_definitions(series: pa.Table, content: Sections) -> None:
        told = [(row["series_id"], row["since"]) for row in series.to_pylist()]
        if len(set(told)) != len(told):
            raise Refused("a series is defined twice in one epoch")
        used = set(content.samples["series_id"].to_pylist())
        if used - {series_id for series_id, _ in told}:
            raise Refused("a sample's series was never defined")


class FakeIntake(intake_pb2_grpc.IntakeServicer):
    """Serves a book. The attributes may be changed while it runs."""

    def __init__(self) -> None:
        self.book = Book()
        self.in_flight_max = 4
        self.batch_bytes_max = 0
        self.faults: list[str] = []
        self.hellos: list[intake_pb2.Hello] = []
        self.most_in_flight = 0
        #: Refuse this many batches with this code before anything else.
        self.refuse: tuple[int, intake_pb2.RefusalCode.ValueType] = (0, intake_pb2.REFUSAL_CODE_UNAVAILABLE)
        #: End the stream without a word after accepting so many batches (and before their acks); then never again.
        self.drop_after: int | None = None
        #: End every stream with this status.
        self.abort_with: grpc.StatusCode | None = None
        #: Acks wait until this is set.
        self.may_ack = threading.Event()
        self.may_ack.set()
        self._lock = threading.Lock()

    def Stream(  # noqa: N802
        self, request_iterator: Iterator[intake_pb2.ClientMessage], context: grpc.ServicerContext
    ) -> Iterator[intake_pb2.ServerMessage]:
        if self.abort_with is not None:
            context.abort(self.abort_with, "not today")
        hello = next(request_iterator).hello
        self.hellos.append(hello)
        sequence, last = self.book.end(hello.agent, hello.epoch)
        yield intake_pb2.ServerMessage(
            resume=intake_pb2.Resume(
                sequence=sequence, hash=last, in_flight_max=self.in_flight_max, batch_bytes_max=self.batch_bytes_max
            )
        )
        waiting = 0
        for message in request_iterator:
            waiting += 1
            self.most_in_flight = max(self.most_in_flight, waiting)
            refusal = self._take(hello, message.batch)
            if refusal is not None:
                yield intake_pb2.ServerMessage(refusal=refusal)
                return
            if self.drop_after == 0:
                self.drop_after = None
                return
            while not self.may_ack.wait(0.05):
                if not context.is_active():
                    return
            yield intake_pb2.ServerMessage(
                ack=intake_pb2.Ack(sequence=message.batch.sequence, hash=message.batch.hash, position=1)
            )
            waiting -= 1

    def _take(self, hello: intake_pb2.Hello, batch: intake_pb2.Batch) -> intake_pb2.Refusal | None:
        with self._lock:
            times, code = self.refuse
            if times:
                self.refuse = (times - 1, code)
                return intake_pb2.Refusal(sequence=batch.sequence, code=code, message="as the test wants")
            try:
                self.book.accept(hello.agent, hello.epoch, batch)
            except Refused as error:
                self.faults.append(str(error))
                return intake_pb2.Refusal(
                    sequence=batch.sequence, code=intake_pb2.REFUSAL_CODE_MALFORMED, message=str(error)
                )
            if self.drop_after is not None:
                self.drop_after -= 1
            return None


class FakeLedger:
    """A gRPC server with a fake intake, that can be stopped and started again on the same port."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.intake = FakeIntake()
        self.port = 0
        self._credentials = credentials
        self._server: grpc.Server | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)]
        server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
        intake_pb2_grpc.add_IntakeServicer_to_server(self.intake, server)
        address = f"127.0.0.1:{self.port}"
        self.port = (
            server.add_insecure_port(address)
            if self._credentials is None
            else server.add_secure_port(address, self._credentials)
        )
        server.start()
        self._server = server

    def stop(self) -> None:
        """As if killed: streams end at once."""
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None
