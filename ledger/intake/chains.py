"""Chains: each agent's batches in order, each once, each sealed to the one before.

Batches are appended to the log while earlier ones of the same chain are still on their way to the disk. What is checked here
is checked against what this process has sent on its way; the log itself lets in only what follows in its chain, so
that if one append fails none behind it can slip in, and two replicas cannot both take a batch.

A sequence that was accepted before is answered like the first time if its hash is the same. That makes every replay
harmless: after a lost ack, a fail-over, or a restored agent.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from ledger.intake.contents import Checked, IntakeLimits, checked
from ledger.intake.quota import SeriesQuota
from ledger.intake.refusals import Refused
from ledger.journal.journal import Journal
from ledger.journal.record import Draft, Kind
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.encoding import HASH_BYTES
from meterbook.proof.leaf import agent_chain
from meterbook.wire.seal import ChainPlace, batch_hash, seal
from meterbook.wire.sections import SCHEMA_VERSION, Sections

_AGENT = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}\Z")

#: How far the tables may be behind before those who send are held back, and for how long they are at most.
_LAG_S_MAX, _HOLD_BACK_S_MAX = 30.0, 5.0
#: Replays that are looked up in the book at a time.
_REPLAYS = 2


def check_agent(name: str, place: str) -> None:
    """Raises Refused where a name cannot be an agent's."""
    if not _AGENT.match(name):
        raise _malformed(f"{place}: agent {name[:80]!r} is not a name of lower-case letters, digits, dots and hyphens")


@dataclass
class Chain:
    """One agent's chain in one epoch; ``lock`` is held while a batch is checked against the head and appended."""

    agent: str
    epoch: int
    sequence: int
    hash: bytes
    last: Future[int] | None = None
    pending: dict[int, tuple[bytes, Future[int]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """What the log calls the chain."""
        return agent_chain(self.agent, self.epoch)

    @property
    def failed(self) -> bool:
        """Whether an append failed, so that the head in memory is ahead of what is durable."""
        return self.last is not None and self.last.done() and self.last.exception() is not None


class Chains:
    """The chains of a journal. Methods block on the book and on hashing: call them from a thread."""

    def __init__(self, journal: Journal, limits: IntakeLimits) -> None:
        self._journal = journal
        self._limits = limits
        self._quota = SeriesQuota(limits.series_per_hour_max)
        # Two streams of one agent share its chain; one that nobody speaks for any more, or ever wrote to, is forgotten.
        self._chains: WeakValueDictionary[tuple[str, int], Chain] = WeakValueDictionary()
        self._opening = threading.Lock()
        self._replays = ThreadPoolExecutor(_REPLAYS, thread_name_prefix="replays")
        self._closing = False

    def stop(self) -> None:
        """From another thread: refuse whatever is not accepted yet, to be sent again to the next ledger."""
        self._closing = True

    def close(self) -> None:
        """Stop, and let the threads end; replays that still wait for one are refused likewise."""
        self.stop()
        self._replays.shutdown(wait=True)

    @property
    def hold_back_s(self) -> float:
        """Seconds that have to pass from one round of batches to the next, so that the tables catch up.

        Who sends faster than they can follow, for long, must not get ahead for ever.
        """
        over_s = self._journal.materialiser.lag_s - _LAG_S_MAX
        return max(0.0, min(_HOLD_BACK_S_MAX, over_s / 10))

    def hello(self, hello: intake_pb2.Hello) -> Chain:
        """The chain that a Hello names, after waiting for what is under way. Raises Refused."""
        if hello.schema != SCHEMA_VERSION:
            raise _malformed(f"hello: schema {hello.schema} is not {SCHEMA_VERSION}, the one this ledger reads")
        check_agent(hello.agent, "hello")
        if hello.epoch <= 0:
            raise _malformed(f"hello: epoch {hello.epoch} is not a positive number of microseconds")
        if hello.checkpoint_size < 0:
            raise _malformed(f"hello: checkpoint_size {hello.checkpoint_size} is negative")
        chain = self.open(hello.agent, hello.epoch)
        with chain.lock:
            if chain.last is not None:
                wait([chain.last])
        # If that failed, the chain begins again: whoever says hello is told what there is, and not what went wrong before.
        return self.open(hello.agent, hello.epoch)

    def open(self, agent: str, epoch: int) -> Chain:
        """The chain of an agent and epoch; one that failed, or that another replica moved, begins again at what is durable."""
        with self._opening:
            chain = self._chains.get((agent, epoch))
            if chain is None or chain.failed or chain.last is None or chain.last.done():
                head = self._journal.log.head(agent_chain(agent, epoch))
                if chain is None or (chain.sequence, chain.hash) != (head.sequence, head.hash):
                    chain = self._chains[agent, epoch] = Chain(agent, epoch, head.sequence, head.hash)
            return chain

    def durable(self, chain: Chain) -> tuple[int, bytes]:
        """The chain's last durable sequence and its hash, after waiting for what is under way. Raises LogUnavailable."""
        with chain.lock:
            last = chain.last
            if last is not None:
                last.result()
            return chain.sequence, chain.hash

    def accept(
        self,
        chain: Chain,
        batch: intake_pb2.Batch,
        look: Callable[[], Checked] | None = None,
        check: Callable[[intake_pb2.Batch, Checked], object] = lambda *_: None,
    ) -> Future[int]:
        """A future that gives the batch's position once it is durable. Raises Refused where it cannot be accepted.

        ``look`` gives what is in the batch, if somebody else looks, and ``check`` judges it before it is appended; what they
        raise goes through.
        The future raises LogUnavailable where the log cannot be written just now; that of a replay Refused where it has
        another content now, TablesUnavailable where the tables are so far behind that its position cannot be told.
        """
        if self._closing:
            raise _stopping()
        with chain.lock:
            if chain.failed:
                raise _unwritten()
            if batch.sequence <= 0:
                raise _malformed(f"batch: sequence {batch.sequence} is not positive")
            if batch.sequence <= chain.sequence:
                return self._accepted_before(chain, batch)
            if batch.sequence > chain.sequence + 1:
                raise Refused(
                    intake_pb2.REFUSAL_CODE_OUT_OF_ORDER,
                    f"batch {batch.sequence} of {chain.agent}/{chain.epoch} does not follow {chain.sequence}, "
                    "the last one held",
                )
            if batch.previous_hash != chain.hash:
                raise _broken(
                    f"batch {batch.sequence}: previous_hash {_short(batch.previous_hash)} is not {_short(chain.hash)}"
                )
            found = look() if look else checked(batch, self._limits)
            place = ChainPlace(chain.agent, chain.epoch, batch.sequence, chain.hash)
            if seal(place, found.section_hashes) != batch.hash:
                raise _broken(f"batch {batch.sequence}: hash {_short(batch.hash)} does not match the content")
            check(batch, found)
            self._quota.take(chain.agent, found.defined)
            return self._append(chain, batch)

    def seal(self, chain: Chain, content: Sections, encoded: dict[str, bytes]) -> Future[int]:
        """Append content that came without a chain of its own to one that the ledger keeps for its sender."""
        with chain.lock:
            place = ChainPlace(chain.agent, chain.epoch, chain.sequence + 1, chain.hash)
            batch = intake_pb2.Batch(
                sequence=place.sequence,
                previous_hash=place.previous_hash,
                hash=batch_hash(place, content),
                **encoded,
            )
            return self._append(chain, batch)

    def _append(self, chain: Chain, batch: intake_pb2.Batch) -> Future[int]:
        payload = journal_pb2.BatchRecord(agent=chain.agent, epoch=chain.epoch, batch=batch).SerializeToString()
        sequence, digest = batch.sequence, batch.hash
        draft = Draft(Kind.BATCH, chain.name, sequence, chain.hash, digest, payload)
        future = self._journal.append(draft)
        chain.sequence, chain.hash, chain.last = sequence, digest, future
        chain.pending[sequence] = digest, future
        future.add_done_callback(lambda _: chain.pending.pop(sequence, None))
        return future

    def _accepted_before(self, chain: Chain, batch: intake_pb2.Batch) -> Future[int]:
        if len(batch.hash) != HASH_BYTES:
            raise _malformed(f"batch {batch.sequence}: hash has {len(batch.hash)} bytes, not {HASH_BYTES}")
        pending = chain.pending.get(batch.sequence)
        if pending is None:
            # The book takes its time; whoever replays must not hold up those who send what is new. Nor does the batch itself
            # wait in memory meanwhile.
            return self._replays.submit(self._from_book, chain, batch.sequence, batch.hash)
        known, future = pending
        _check_same(chain, batch.sequence, batch.hash, known)
        return future

    def _from_book(self, chain: Chain, sequence: int, digest: bytes) -> int:
        if self._closing:
            raise _stopping()
        head = self._journal.log.head(chain.name)
        if sequence > head.sequence:
            # It was under way a moment ago and failed.
            raise _unwritten()
        found = self._journal.view(head.position).batch(chain.agent, chain.epoch, sequence)
        assert found is not None, f"the book lacks {chain.agent}/{chain.epoch}/{sequence}"
        known, position = found
        _check_same(chain, sequence, digest, bytes.fromhex(known))
        return position


def _check_same(chain: Chain, sequence: int, digest: bytes, known: bytes) -> None:
    if known != digest:
        raise Refused(
            intake_pb2.REFUSAL_CODE_CONFLICT,
            f"batch {sequence} of {chain.agent}/{chain.epoch} was accepted before with hash {_short(known)}, "
            f"and now comes with {_short(digest)}",
        )


def _stopping() -> Refused:
    return Refused(intake_pb2.REFUSAL_CODE_UNAVAILABLE, "the ledger is stopping; say hello again")


def _unwritten() -> Refused:
    return Refused(intake_pb2.REFUSAL_CODE_UNAVAILABLE, "an earlier batch could not be written; say hello again")


def _malformed(message: str) -> Refused:
    return Refused(intake_pb2.REFUSAL_CODE_MALFORMED, message)


def _broken(message: str) -> Refused:
    return Refused(intake_pb2.REFUSAL_CODE_BROKEN_CHAIN, message)


def _short(digest: bytes) -> str:
    return digest[:8].hex() or "(empty)"
