"""What the ledger tells of itself on /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, PlatformCollector, ProcessCollector

from ledger.journal.journal import Journal
from ledger.server.tls import Certificates
from meterbook.intake.v1 import intake_pb2


class SelfMetrics:
    """The ledger's own metrics, in a registry of their own."""

    def __init__(self, journal: Journal) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.batches = self._counter("batches", "Batches acknowledged, replays included.")
        self.bytes = self._counter("batch_bytes", "Bytes of the batches acknowledged.")
        self.refusals = self._counter("refusals", "Batches and messages refused.", "code")
        self.limits = self._counter("limits_met", "Refusals because of a limit, by its setting.", "limit")
        self.entries = self._counter("entries", "Entries booked.")
        self.booking_failures = self._counter("booking_failures", "Looks for something to book that failed.")
        self.access_refusals = self._counter("access_refusals", "Calls that were turned away, by reason.", "reason")
        self.access_failures = self._counter("access_read_failures", "Times that credentials could not be read again.")
        self.segments_archived = self._counter("segments_archived", "Segments of the log copied to the archive.")
        self.archive_failures = self._counter("archive_failures", "Looks for something to archive that failed.")
        self.questions_stopped = self._counter("questions_stopped", "Questions without an answer, by reason.", "reason")
        self.questions_running = self._gauge("questions_running", "Questions that are worked on.")
        self.questions_waiting = self._gauge("questions_waiting", "Questions that wait for others.")
        self.notices = self._counter("notices", "Thresholds that were reached, and written down.")
        self.entitlement_failures = self._counter("entitlement_failures", "Looks at what was used that failed.")
        self.webhook_attempts = self._counter("webhook_attempts", "Attempts to deliver.", "webhook", "result")
        self.streams = Gauge("meterbook_ledger_streams", "Streams open.", registry=self.registry)
        self._gauge(
            "store_warnings", "Promises that the store's services do not keep; the log of the start names them."
        ).set(len(journal.warnings))
        self._gauge("log_position", "Position of the last durable record.").set_function(lambda: journal.log.end)
        self._gauge("tables_position", "Position up to which the tables hold the log.").set_function(
            lambda: journal.materialiser.watermark
        )

    def watch(self, certificates: Certificates) -> None:
        """Show how long the certificate is good for, and how often its files could not be used."""
        self._gauge("certificate_not_after_seconds", "When the certificate ends, Unix time.").set_function(
            lambda: certificates.current.not_after_s
        )
        self._gauge("certificate_failures", "Changes of the certificate's files that could not be used.").set_function(
            lambda: certificates.failures
        )

    def acknowledged(self, size: int) -> None:
        """Count a batch of ``size`` bytes."""
        self.batches.inc()
        self.bytes.inc(size)

    def refused(self, code: intake_pb2.RefusalCode.ValueType) -> None:
        """Count a refusal under its code's name."""
        name = intake_pb2.RefusalCode.Name(code).removeprefix("REFUSAL_CODE_").lower()
        self.refusals.labels(name).inc()

    def limited(self, limit: str) -> None:
        """Count a limit that was met; none for an empty name."""
        if limit:
            self.limits.labels(limit).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"meterbook_ledger_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"meterbook_ledger_{name}", text, registry=self.registry)
