"""The uplink: brings sealed batches to the ledger, for as long as it takes.

One stream at a time. Hello names the chain, Resume says how far the ledger holds it, and the spool reconciles (it may
begin a new epoch, then the stream starts over). From there batches go in order while acknowledgements come back;
an acknowledged batch leaves the spool and not a moment before.

Everything that can go wrong is one of two things, and differs in how long to wait before the next try:

* :class:`_Interrupted`: a lost connection, a ledger that restarts or cannot write just now. Exponential back-off
  with full jitter, so that a thousand agents do not come back in step; begun anew after an acknowledgement.
* :class:`_Stuck`: the same batch will be refused again until somebody acts. Said once in the log, shown on /readyz,
  tried again every minute. Nothing is dropped: an accountant would rather have a late book than a wrong one.

Certificates and the agent's key are read anew for every connection, so both can be changed without a restart. Without a key, but
with an invitation, the uplink enrols first (see ``enrolment``).

gRPC sends from a thread of its own, which pulls batches out of ``_outgoing``; this module's thread reads answers.
Lanes are never kept waiting: an append only wakes the sender. Only this module and ``connection`` know gRPC.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator

import grpc

from agent.config import LedgerConfig
from agent.connection import bearer, channel
from agent.enrolment import Key, KeyFiles
from agent.errors import AgentError, ChainBroken, SpoolFull, StartError
from agent.leases import Answer
from agent.selfmetrics import SelfMetrics
from agent.sendwindow import SendWindow
from agent.spool import SealedBatch, Spool
from agent.witness import Witness
from meterbook import logs, tracing
from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from meterbook.ledger.v1 import access_pb2, access_pb2_grpc
from meterbook.wire.sections import SCHEMA_VERSION
from meterbook.wire.software import software

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 30.0
STUCK_S = 60.0

_POLL_S = 0.5
_ENROL_S = 30.0
_LEASE_ANSWER_S = 2.0
_LASTING_REFUSALS = frozenset(
    {
        intake_pb2.REFUSAL_CODE_MALFORMED,
        intake_pb2.REFUSAL_CODE_BROKEN_CHAIN,
        intake_pb2.REFUSAL_CODE_CONFLICT,
        intake_pb2.REFUSAL_CODE_TOO_LARGE,
        intake_pb2.REFUSAL_CODE_FORBIDDEN,
    }
)
_LASTING_STATUSES = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)
_log = logging.getLogger(__name__)


class _Interrupted(Exception):
    """The stream ended; another may fare better."""


class _Stuck(Exception):
    """The stream ended, and so will the next one until somebody acts."""


class _NewEpoch(Exception):
    """The chain has changed: say Hello again at once."""


class Uplink:
    """Sends the spool to the ledger from threads of its own."""

    def __init__(self, config: LedgerConfig, spool: Spool, metrics: SelfMetrics) -> None:
        """Raises StartError where a certificate's file cannot be read. Connects only when started."""
        self._config = config
        self._spool = spool
        self._metrics = metrics
        channel(config).close()
        self._keys = None if config.key_file is None else KeyFiles(config.key_file, config.enrolment_token_file)
        self._stopping = threading.Event()
        self._is_trying = False
        self._has_progress = False
        self._problem: str | None = None
        self._batch_bytes_max = 0
        self._is_loss_told = False
        self._witness = Witness(spool, config.verifier_key)
        metrics.watch_ledger(lambda: self._witness.distrust, lambda: self._witness.failures, lambda: self._witness.size)
        self._resume: intake_pb2.Resume | None = None
        self._window: SendWindow | None = None
        #: Of batches under way, when each was sent and its hash; only where traces go anywhere.
        self._sent: dict[int, tuple[int, bytes]] = {}
        self._is_narrow = False
        self._end_stream: Callable[[], object] | None = None
        #: What calls the ledger while there is a stream to it.
        self._connected: tuple[intake_pb2_grpc.IntakeStub, tuple[tuple[str, str], ...]] | None = None
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    @property
    def problem(self) -> str | None:
        """Why the ledger does not take the batches and will not until somebody acts; None where all is well."""
        return self._witness.distrust or self._problem

    def start(self) -> None:
        """Begin to connect and send."""
        self._spool.listen(self.wake)
        self._thread.start()

    def wake(self) -> None:
        """There are new batches in the spool."""
        window = self._window
        if window is not None:
            window.wake()

    def narrow(self, is_narrow: bool) -> None:
        """Whether batches go one by one."""
        self._is_narrow = is_narrow
        window = self._window
        if window is not None:
            window.narrow(is_narrow)

    def lease(self, sources: Collection[str]) -> Answer | None:
        """Ask to be the one who reads some sources; None where the ledger cannot be asked, or knows nothing of that."""
        connected = self._connected
        if connected is None:
            return None
        stub, identity = connected
        request = intake_pb2.LeaseRequest(agent=self._spool.agent, sources=sorted(sources))
        try:
            with tracing.span("lease", sources=len(sources)):
                carried = (*identity, *tracing.metadata())
                response = stub.Lease(request, timeout=_LEASE_ANSWER_S, metadata=carried)
        except (grpc.RpcError, ValueError) as error:  # a channel that was closed meanwhile raises ValueError
            _log.debug("no leases just now: %s", error)
            return None
        return Answer({each.source: each.agent for each in response.held}, response.duration_s)

    def stop(self, drain_s: float = 5.0) -> None:
        """Ends the stream, after at most ``drain_s`` seconds in which a ledger that answers may empty the spool."""
        ends_s = time.monotonic() + drain_s
        while self._is_trying and self._spool.sizes().batches and time.monotonic() < ends_s:
            time.sleep(0.02)
        self._stopping.set()
        end_stream = self._end_stream
        if end_stream is not None:
            end_stream()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        logs.bind(agent=self._spool.agent)
        attempt = 0
        while not self._stopping.is_set():
            self._has_progress = False
            self._is_trying = True
            wait_s = 0.0
            began_s = time.monotonic()
            try:
                self._stream()
            except _NewEpoch as parting:
                _log.warning("the chain begins anew as epoch %d: %s", self._spool.epoch, parting)
                self._metrics.epochs_begun.inc()
                continue
            except _Stuck as error:
                if str(error) != self._problem:
                    _log.error("the ledger does not take the batches, trying every %g s: %s", STUCK_S, error)
                self._problem = str(error)
                wait_s = STUCK_S
            except _Interrupted as error:
                attempt = 0 if self._has_progress or time.monotonic() - began_s > BACKOFF_MAX_S else attempt + 1
                wait_s = random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(attempt, 30)))  # noqa: S311
                self._tell(f"no stream to the ledger, trying until there is one: {error}")
            except Exception as error:  # noqa: BLE001 - a bug here must not end sending for ever
                _log.error("the uplink failed, next try in %g s: %r", STUCK_S, error, exc_info=error)
                wait_s = STUCK_S
            finally:
                self._is_trying = False
                self._metrics.connected.set(0)
            self._metrics.connections_lost.inc()
            self._stopping.wait(wait_s)

    def _tell(self, loss: str) -> None:
        """Says once that the ledger cannot be reached; offline for days is normal, and no news."""
        level = logging.DEBUG if self._is_loss_told or self._stopping.is_set() else logging.WARNING
        _log.log(level, "%s", loss)
        self._is_loss_told = True

    def _stream(self) -> None:
        """One stream from Hello to its end. Always raises: _Interrupted, _Stuck or _NewEpoch."""
        ends: list[Exception] = []
        logs.unbind("sequence", "trace_id")
        self._sent.clear()
        logs.bind(epoch=self._spool.epoch)
        window = SendWindow(self._spool.after)
        window.narrow(self._is_narrow)
        with self._channel() as connection:
            calls: list[grpc.Call] = []
            identity = self._identity(connection)
            outgoing = self._outgoing(window, calls, ends)
            stub = intake_pb2_grpc.IntakeStub(connection)
            call = stub.Stream(outgoing, metadata=identity)
            calls.append(call)
            self._connected = stub, identity
            self._window, self._end_stream = window, call.cancel
            if self._stopping.is_set():
                call.cancel()
            try:
                for message in call:
                    self._hear(message, window)
                raise _Interrupted("the ledger ended the stream")
            except grpc.RpcError as error:
                raise (ends[0] if ends else _outcome(error, self._config.endpoint)) from error
            except ChainBroken as error:
                raise _Interrupted(str(error)) from error
            except SpoolFull as error:
                # The disk has no room even to note what was acknowledged: it may have soon.
                raise _Interrupted(str(error)) from error
            except AgentError as error:
                raise _Stuck(str(error)) from error
            finally:
                self._window = self._end_stream = self._connected = None
                window.close()
                call.cancel()

    def _outgoing(
        self, window: SendWindow, calls: list[grpc.Call], ends: list[Exception]
    ) -> Iterator[intake_pb2.ClientMessage]:
        """What gRPC sends, pulled by a thread of its own. What is raised here would vanish: it goes to ``ends``."""
        hello = intake_pb2.Hello(
            agent=self._spool.agent,
            epoch=self._spool.epoch,
            schema=SCHEMA_VERSION,
            software=software(),
            checkpoint_size=self._witness.size,
        )
        yield intake_pb2.ClientMessage(hello=hello)
        try:
            while not window.is_closed:
                batch = window.take(_POLL_S)
                if batch is not None:
                    yield self._sendable(batch)
                elif window.silent_s > self._config.ack_timeout_s:
                    raise _Interrupted(f"{self._config.endpoint}: no answer for {self._config.ack_timeout_s:g} s")
        except AgentError as error:
            ends.append(_Stuck(str(error)))
        except (_Stuck, _Interrupted) as error:
            ends.append(error)
        for call in calls:
            call.cancel()

    def _sendable(self, batch: SealedBatch) -> intake_pb2.ClientMessage:
        message = wire_batch(batch)
        size = message.ByteSize()
        if self._batch_bytes_max and size > self._batch_bytes_max:
            raise _Stuck(
                f"sequence {batch.sequence} has {size} bytes and the ledger takes {self._batch_bytes_max}: "
                "raise the limit of a batch there"
            )
        self._metrics.batches_sent.inc()
        if tracing.is_on():
            self._sent[batch.sequence] = tracing.now_ns(), batch.hash
        return intake_pb2.ClientMessage(batch=message)

    def _hear(self, message: intake_pb2.ServerMessage, window: SendWindow) -> None:
        kind = message.WhichOneof("message")
        if kind == "resume":
            self._resume = message.resume
            self._witness.resumed()
            if message.resume.HasField("witness"):
                self._witness.shown(message.resume.witness)
            self._begin(window)
        elif kind == "witness":
            self._witness.shown(message.witness)
            self._begin(window)
        elif kind == "ack":
            logs.bind(sequence=message.ack.sequence, **tracing.ids(message.ack.hash))
            self._told(message.ack.sequence)
            self._spool.acknowledge(message.ack.sequence, message.ack.hash)
            self._witness.acknowledged(message.ack.sequence, message.ack.hash)
            for took_s in window.acknowledged(message.ack.sequence):
                self._metrics.ack_seconds.observe(took_s)
            _log.debug("acknowledged at position %d", message.ack.position)
            self._has_progress = True
            self._all_is_well()
        elif kind == "refusal":
            self._refused(message.refusal)

    def _told(self, acknowledged: int) -> None:
        """What was sent up to there has arrived: its traces say how long that took."""
        for sequence in [each for each in list(self._sent) if each <= acknowledged]:
            began_ns, digest = self._sent.pop(sequence)
            tracing.told("send", digest, began_ns, agent=self._spool.agent, epoch=self._spool.epoch, sequence=sequence)

    def _begin(self, window: SendWindow) -> None:
        """Send from where the ledger stands, once it can be believed; nothing where that has begun."""
        resume = self._resume
        if resume is None or self._witness.distrust:
            return
        if self._witness.is_due and self._spool.parting(resume.sequence, resume.hash) is not None:
            # It does not hold what it held: before anything is made of that, it shows its book.
            return
        self._resume = None
        parting = self._spool.resume(resume.sequence, resume.hash)
        if parting is not None:
            raise _NewEpoch(parting)
        self._batch_bytes_max = resume.batch_bytes_max
        in_flight_max = resume.in_flight_max or self._config.in_flight_max
        window.open(resume.sequence, min(in_flight_max, self._config.in_flight_max))
        self._metrics.connected.set(1)
        _log.info("the ledger at %s holds sequence %d", self._config.endpoint, resume.sequence)
        if not self._spool.sizes().batches:
            self._all_is_well()

    def _all_is_well(self) -> None:
        self._problem = None
        self._is_loss_told = False

    def _refused(self, refusal: intake_pb2.Refusal) -> None:
        code = intake_pb2.RefusalCode.Name(refusal.code).removeprefix("REFUSAL_CODE_")
        self._metrics.refusals.labels(code).inc()
        logs.bind(sequence=refusal.sequence)
        text = f"sequence {refusal.sequence} refused as {code}: {refusal.message}"
        raise (_Stuck if refusal.code in _LASTING_REFUSALS else _Interrupted)(text)

    def _channel(self) -> grpc.Channel:
        try:
            return channel(self._config)
        except StartError as error:
            raise _Stuck(str(error)) from error

    def _identity(self, connection: grpc.Channel) -> tuple[tuple[str, str], ...]:
        """What tells the ledger who this is; enrols first where there is no key yet."""
        if self._keys is None:
            return ()
        try:
            key = self._keys.key()
            if key is None:
                key = self._keys.enrol(lambda invitation, key: self._enrol(connection, invitation, key))
                _log.info("enrolled at %s with key %s", self._config.endpoint, key.id)
        except AgentError as error:
            raise _Stuck(str(error)) from error
        return bearer(key.text)

    def _enrol(self, connection: grpc.Channel, invitation: str, key: Key) -> None:
        request = access_pb2.EnrolRequest(agent=self._spool.agent, key_id=key.id, secret_hash=key.secret_hash)
        call = access_pb2_grpc.AccessStub(connection).Enrol.future(
            request, timeout=_ENROL_S, metadata=bearer(invitation)
        )
        self._end_stream = call.cancel
        if self._stopping.is_set():
            call.cancel()
        try:
            call.result()
        except grpc.FutureCancelledError as error:
            raise _Interrupted("stopped while enrolling") from error
        except grpc.RpcError as error:
            raise _outcome(error, self._config.endpoint) from error


def _outcome(error: grpc.RpcError, endpoint: str) -> Exception:
    """What the end of a stream means for the next one."""
    assert isinstance(error, grpc.Call)
    text = f"{endpoint}: {error.code().name}: {' '.join((error.details() or '').split())}"
    return _Stuck(text) if error.code() in _LASTING_STATUSES else _Interrupted(text)


def wire_batch(batch: SealedBatch) -> intake_pb2.Batch:
    """A batch as it is sent."""
    return intake_pb2.Batch(
        sequence=batch.sequence,
        previous_hash=batch.previous_hash,
        hash=batch.hash,
        series=batch.series,
        samples=batch.samples,
        events=batch.events,
        coverage=batch.coverage,
        dead_letters=batch.dead_letters,
        charges=batch.charges,
        bills=batch.bills,
    )
