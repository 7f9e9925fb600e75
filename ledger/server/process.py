"""The ledger as a process: opens the store, serves, books closed windows, and stops in the order that loses nothing."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ledger.access.book import JournalActs
from ledger.access.issuing import Issuer
from ledger.access.register import Register
from ledger.intake.chains import Chains
from ledger.intake.leasing import Leasing
from ledger.journal.errors import JournalError, Overtaken
from ledger.journal.journal import Journal
from ledger.metering.booking import Booker, Measuring
from ledger.metering.cluster import Cluster
from ledger.metering.measure import measure
from ledger.proof.checkpoints import Checkpoints
from ledger.proof.keyfile import KeyFile
from ledger.proof.proofs import Proofs
from ledger.proof.signer import Signer
from ledger.proof.witnessing import Witnessing
from ledger.query.closing import PeriodCloser
from ledger.query.finalizing import Finalizer
from ledger.server.access_service import AccessService
from ledger.server.archiving import Archiving
from ledger.server.authentication import Authentication
from ledger.server.config import LedgerConfig
from ledger.server.costing_service import CostingService
from ledger.server.delivering import Deliverer
from ledger.server.entitlement_service import EntitlementService
from ledger.server.entitling import Entitling
from ledger.server.gapwatching import GapWatching
from ledger.server.health import Health
from ledger.server.intake_service import IntakeService
from ledger.server.invoicing_service import InvoicingService
from ledger.server.leadership import Leadership
from ledger.server.naming import Naming
from ledger.server.planning_service import PlanningService
from ledger.server.proof_service import ProofService
from ledger.server.query_service import AdminService, QueryService
from ledger.server.readiness import Readiness
from ledger.server.selfmetrics import SelfMetrics
from ledger.server.streamwitness import Send, StreamWitness
from ledger.server.tls import Certificates, Unusable
from ledger.server.traced import Traced
from ledger.server.turns import Turns
from meterbook import tracing
from meterbook.health import HealthServer
from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from meterbook.ledger.v1 import (
    access_pb2,
    access_pb2_grpc,
    admin_pb2,
    admin_pb2_grpc,
    costing_pb2,
    costing_pb2_grpc,
    entitlement_pb2,
    entitlement_pb2_grpc,
    invoicing_pb2,
    invoicing_pb2_grpc,
    planning_pb2,
    planning_pb2_grpc,
    proof_pb2,
    proof_pb2_grpc,
    query_pb2,
    query_pb2_grpc,
)
from meterbook.wire.instants import now_us

logger = logging.getLogger(__name__)

_MESSAGE_SLACK_BYTES = 1 << 16
_GRACE_S = 5.0
_OPTIONS = [
    # A second ledger could share the port, and each would get some of the agents.
    ("grpc.so_reuseport", 0),
    # Whoever connects and says nothing is cut.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # Whoever went away without a word must not hold a stream for ever.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_concurrent_streams", 100),
    # What a stream may send ahead of what is read of it. Left alone gRPC makes that megabytes where much is sent, and as many
    # times so many as there are agents; this is a megabyte per second for each over a line of a quarter of a second.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 256 << 10),
]
#: How long what another replica wrote about access may go unnoticed.
_CURRENT_S = 2.0
_SERVICES = (
    intake_pb2.DESCRIPTOR.services_by_name["Intake"].full_name,
    query_pb2.DESCRIPTOR.services_by_name["Query"].full_name,
    invoicing_pb2.DESCRIPTOR.services_by_name["Invoicing"].full_name,
    costing_pb2.DESCRIPTOR.services_by_name["Costing"].full_name,
    planning_pb2.DESCRIPTOR.services_by_name["Planning"].full_name,
    entitlement_pb2.DESCRIPTOR.services_by_name["Entitlements"].full_name,
    admin_pb2.DESCRIPTOR.services_by_name["Admin"].full_name,
    access_pb2.DESCRIPTOR.services_by_name["Access"].full_name,
    proof_pb2.DESCRIPTOR.services_by_name["Proof"].full_name,
)


class CannotServe(Exception):
    """The server cannot start; the message is one sentence that says what to do."""


class LedgerProcess:
    """A ledger between :meth:`start` and :meth:`stop`, in the event loop that calls them."""

    def __init__(self, config: LedgerConfig) -> None:
        self._config = config
        self.port = 0
        self.http_port = 0

    async def start(self) -> None:
        """Open the store and serve. Raises StoreRefused and its kinds, CannotServe."""
        config = self._config
        async with AsyncExitStack() as opened:
            self._journal = await asyncio.to_thread(Journal, config.place, config.retention.archive)
            opened.push_async_callback(asyncio.to_thread, self._journal.close)
            self._booker = Booker(self._journal, self._measuring())
            opened.push_async_callback(asyncio.to_thread, self._booker.close)
            self._acts = JournalActs(self._journal)
            self._register = Register(self._acts, config.access.admin_token_file)
            opened.push_async_callback(asyncio.to_thread, self._register.close)
            self._readiness = Readiness(self._journal, locked_out=self._locked_out)
            opened.callback(self._readiness.stop)
            self._metrics = SelfMetrics(self._journal)
            self._metrics.watch_readiness(self._readiness.not_ready)
            door = self._door()
            opened.push_async_callback(asyncio.to_thread, door.stop)
            await asyncio.to_thread(self._register.refresh)
            self._signer = await asyncio.to_thread(self._signing)
            self._checkpoints = Checkpoints(self._journal, self._signer)
            self._certificates = self._certified()
            self._intake = IntakeService(
                Chains(self._journal, config.intake),
                config.intake,
                self._metrics,
                self._acts.defined_series,
                self._witness,
                Leasing(self._journal.leases, config.intake),
            )
            opened.push_async_callback(asyncio.to_thread, self._intake.close)
            self._turns = Turns(config.queries, self._metrics)
            opened.push_async_callback(self._turns.close)
            self._leadership = Leadership(self._journal.leases)
            opened.push_async_callback(asyncio.to_thread, self._resign)
            gap_watching = GapWatching(self._journal, self._leadership, self._metrics, config.metering.lateness_us)
            opened.push_async_callback(asyncio.to_thread, gap_watching.close)
            self._entitling = Entitling(
                self._journal, config.entitlements, self._leadership, self._metrics, config.queries.timeout_s
            )
            opened.push_async_callback(self._entitling.close)
            self._deliverers = self._delivering()
            self._server = self._grpc_server()
            await self._health.told(None)
            await self._server.start()
            # From here on stop() closes; whatever failed before closes what was opened so far.
            self._opened = opened.pop_all()
        door.start()
        self._readiness.start()
        self._telling = asyncio.create_task(self._health.tell(self._readiness.not_ready))
        self._entitling.start()
        for deliverer in self._deliverers:
            deliverer.start()
        self._booking = asyncio.create_task(self._book_closed_windows())
        self._watching = asyncio.create_task(self._stay_current())
        archiving = Archiving(self._journal, self._checkpoints, config.retention, self._metrics)
        self._archiving = asyncio.create_task(archiving.run())
        self._gap_watching = asyncio.create_task(gap_watching.run())
        logger.info("serving %s on %s, /metrics on port %d", config.place, config.listen, self.http_port)

    async def stop_serving(self) -> None:
        """Say that the ledger ends, so that callers go elsewhere; until :meth:`stop` everything is served."""
        self._readiness.stop_serving()
        await self._health.end()

    async def stop(self) -> None:
        """Finish what is under way, within seconds, and close the store."""
        await self.stop_serving()
        for task in (self._telling, self._booking, self._watching, self._archiving, self._gap_watching):
            task.cancel()
        await self._server.stop(_GRACE_S)
        for deliverer in self._deliverers:
            await asyncio.to_thread(deliverer.stop)
        await self._opened.aclose()

    def _locked_out(self) -> str | None:
        return None if self._config.allows_anonymous else self._register.locked_out

    def _measuring(self) -> Measuring:
        cluster = self._config.metering.cluster
        if cluster is None:
            return measure
        return Cluster(self._config.place, cluster.address, cluster.tasks, cluster.samples_min).measure

    def _door(self) -> HealthServer:
        try:
            door = HealthServer(self._config.http, self._metrics.registry, self._readiness.not_ready)
        except OSError as error:
            raise CannotServe(f"http: {error}; stop what listens there or choose another address") from error
        self.http_port = door.port
        return door

    def _grpc_server(self) -> grpc.aio.Server:
        limit = self._config.intake.batch_bytes_max + _MESSAGE_SLACK_BYTES
        server = grpc.aio.server(
            interceptors=[
                Naming(),
                *([Traced()] if tracing.is_on() else []),
                Authentication(self._register, self._metrics, allow_anonymous=self._config.allows_anonymous),
            ],
            options=[*_OPTIONS, ("grpc.max_receive_message_length", limit)],
        )
        intake_pb2_grpc.add_IntakeServicer_to_server(self._intake, server)
        query_pb2_grpc.add_QueryServicer_to_server(QueryService(self._journal, self._turns), server)
        costing_pb2_grpc.add_CostingServicer_to_server(CostingService(self._journal, self._turns), server)
        planning_pb2_grpc.add_PlanningServicer_to_server(PlanningService(self._journal, self._turns), server)
        lateness_us = self._config.metering.lateness_us
        finalizer = Finalizer(self._journal, self._booker, lateness_us)
        invoicing = InvoicingService(self._journal, self._turns, finalizer)
        invoicing_pb2_grpc.add_InvoicingServicer_to_server(invoicing, server)
        webhooks = [each.name for each in self._config.entitlements.webhooks]
        entitlement_pb2_grpc.add_EntitlementsServicer_to_server(
            EntitlementService(self._journal, self._turns, self._entitling, webhooks), server
        )
        closer = PeriodCloser(self._journal, self._booker, lateness_us)
        admin_pb2_grpc.add_AdminServicer_to_server(AdminService(self._journal, self._booker, closer), server)
        access_pb2_grpc.add_AccessServicer_to_server(AccessService(Issuer(self._acts, self._register)), server)
        proofs = Proofs(self._journal, self._checkpoints)
        proof_pb2_grpc.add_ProofServicer_to_server(ProofService(self._signer, proofs), server)
        self._health = Health(_SERVICES)
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, server)
        reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        self.port = self._bind(server)
        return server

    def _delivering(self) -> list[Deliverer]:
        def attempted(webhook: str, result: str) -> None:
            self._metrics.webhook_attempts.labels(webhook, result).inc()

        try:
            return [
                Deliverer(self._journal, each, self._leadership, attempted)
                for each in self._config.entitlements.webhooks
            ]
        except OSError as error:
            raise CannotServe(f"entitlements.webhooks: a ca_file cannot be used ({error.strerror or error})") from error

    def _resign(self) -> None:
        try:
            self._leadership.resign()
        except JournalError as error:
            logger.warning("another replica notifies only once the lease has ended: %s", error)

    def _signing(self) -> Signer:
        proof = self._config.proof
        key_file = KeyFile(self._config.key_file)
        return Signer(self._journal, key_file, proof.origin, replaces_lost_key=proof.replace_lost_key)

    def _witness(self, held_size: int, send: Send) -> StreamWitness:
        witnessing = Witnessing(self._journal.log, self._signer, self._checkpoints)
        return StreamWitness(witnessing, self._config.proof.witness_every_s, held_size, send)

    def _bind(self, server: grpc.aio.Server) -> int:
        listen = self._config.listen
        try:
            if self._certificates is None:
                return server.add_insecure_port(listen)
            return server.add_secure_port(listen, self._certificates.credentials)
        except RuntimeError as error:
            raise CannotServe(
                f"listen: cannot listen on {listen}; stop what listens there or choose another address"
            ) from error

    def _certified(self) -> Certificates | None:
        if self._config.tls is None:
            return None
        try:
            certificates = Certificates(self._config.tls)
        except Unusable as error:
            raise CannotServe(str(error)) from error
        self._metrics.watch(certificates)
        return certificates

    async def _stay_current(self) -> None:
        """Credentials and certificates change while the ledger runs."""
        while True:
            await asyncio.sleep(_CURRENT_S)
            await self.look_again()

    async def look_again(self) -> None:
        """Read credentials and certificates as they are now; also done by itself every few seconds."""
        if self._certificates is not None:
            await asyncio.to_thread(self._certificates.look)
        try:
            await asyncio.to_thread(self._register.refresh)
        except Exception as error:  # noqa: BLE001 - what was known goes on to hold, and who asks for this must outlive it
            self._metrics.access_failures.inc()
            logger.warning("credentials could not be read again: %s", error)

    async def _book_closed_windows(self) -> None:
        metering = self._config.metering
        while True:
            await asyncio.sleep(metering.every_s)
            try:
                with self._metrics.booking_seconds.time(), tracing.span("book"):
                    _, entries = await asyncio.to_thread(self._booker.book_closed, now_us(), metering.lateness_us)
                self._metrics.entries.inc(entries)
            except Overtaken:
                logger.info("nothing was booked this time: another replica was first")
            except JournalError as error:
                self._failed(error)
            except Exception as error:
                # Booking is repeated for ever and loses nothing by failing once: the loop must outlive it.
                self._failed(error)
                logger.exception("booking failed")

    def _failed(self, error: Any) -> None:
        self._metrics.booking_failures.inc()
        logger.warning("not everything was booked this time: %s", error)
