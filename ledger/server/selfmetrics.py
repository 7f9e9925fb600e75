"""What the ledger tells of itself on /metrics; docs/metrics.md lists all of it.

What has a label has a bound: of sources those are told that lack most, of meters so many, and how many sources lack anything is a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import nlargest

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from ledger.intake.contents import IntakeLimits
from ledger.journal.journal import Journal
from ledger.metering.gaps import Gaps
from ledger.server.tls import Certificates
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.instants import SECOND_US

#: How many sources and meters are told of by name.
SOURCES_MAX, METERS_MAX = 50, 200
_ACK_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BOOKING_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0)


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
        # There from the start: a counter that begins with its first refusal shows no increase, and nobody would be told.
        for code in intake_pb2.RefusalCode.values()[1:]:
            self.refusals.labels(_named(code))
        for limit in IntakeLimits.model_fields:
            self.limits.labels(limit)
        self.entries = self._counter("entries", "Entries booked.")
        self.booking_seconds = self._histogram(
            "booking_seconds", "Seconds that a look for something to book took, bookings included.", _BOOKING_S
        )
        self.ack_seconds = self._histogram(
            "ack_seconds", "Seconds from the arrival of a batch to its acknowledgement, when it is durable.", _ACK_S
        )
        self.booking_failures = self._counter("booking_failures", "Looks for something to book that failed.")
        self.access_refusals = self._counter("access_refusals", "Calls that were turned away, by reason.", "reason")
        self.access_failures = self._counter("access_read_failures", "Times that credentials could not be read again.")
        self.segments_archived = self._counter("segments_archived", "Segments of the log copied to the archive.")
        self.archive_failures = self._counter("archive_failures", "Looks for something to archive that failed.")
        self.questions_stopped = self._counter("questions_stopped", "Questions without an answer, by reason.", "reason")
        for reason in ("timeout", "full", "abandoned"):
            self.questions_stopped.labels(reason)
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
        self._gauge(
            "tables_lag_seconds", "Seconds since the tables had all that the log had then; 0 where they have it now."
        ).set_function(lambda: journal.materialiser.lag_s)
        self._missing = self._gauge(
            "coverage_gap_seconds",
            "Seconds of the last closed hour that the sources behind a meter were expected to observe, and did not.",
            "meter",
        )
        self._expected = self._gauge(
            "coverage_expected_seconds",
            "Seconds of the last closed hour that the sources behind a meter were expected to observe.",
            "meter",
        )
        self._source_missing = self._gauge(
            "source_gap_seconds",
            f"Seconds of the last closed hour that a source was expected to be observed, and was not; the {SOURCES_MAX} largest.",
            "source",
        )
        self._sources_missing = self._gauge(
            "sources_with_gaps", "Sources of which something of the last closed hour was not observed."
        )
        self._ready = self._gauge("ready", "1 while the ledger can do its work; 0 while /readyz says why not.")
        self._gaps_until = self._gauge(
            "coverage_until_seconds", "Until when the gaps are told, Unix time: the end of the last closed hour."
        )

    def watch(self, certificates: Certificates) -> None:
        """Show how long the certificate is good for, and how often its files could not be used."""
        self._gauge("certificate_not_after_seconds", "When the certificate ends, Unix time.").set_function(
            lambda: certificates.current.not_after_s
        )
        self._gauge("certificate_failures", "Changes of the certificate's files that could not be used.").set_function(
            lambda: certificates.failures
        )

    def watch_readiness(self, not_ready: Callable[[], str | None]) -> None:
        """Show whether the ledger is ready: while it is not, ``not_ready`` says why."""
        self._ready.set_function(lambda: not_ready() is None)

    def acknowledged(self, size: int, after_s: float) -> None:
        """Count a batch of ``size`` bytes that arrived ``after_s`` seconds ago."""
        self.batches.inc()
        self.bytes.inc(size)
        self.ack_seconds.observe(after_s)

    def show_gaps(self, found: Gaps | None) -> None:
        """Show what was not observed of an hour; nothing where another replica does."""
        sources, meters = (found.sources, found.meters) if found is not None else ({}, {})
        told = dict(nlargest(SOURCES_MAX, sources.items(), key=lambda each: each[1]))
        largest = dict(nlargest(METERS_MAX, meters.items(), key=lambda each: each[1]))
        _show(self._source_missing, told)
        _show(self._missing, {name: missing_us for name, (missing_us, _) in largest.items()})
        _show(self._expected, {name: expected_us for name, (_, expected_us) in largest.items()})
        self._sources_missing.set(len(sources))
        self._gaps_until.set(found.end_us / SECOND_US if found is not None else 0)

    def refused(self, code: intake_pb2.RefusalCode.ValueType) -> None:
        """Count a refusal under its code's name."""
        self.refusals.labels(_named(code)).inc()

    def limited(self, limit: str) -> None:
        """Count a limit that was met; none for an empty name."""
        if limit:
            self.limits.labels(limit).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"meterbook_ledger_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"meterbook_ledger_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"meterbook_ledger_{name}", text, buckets=buckets, registry=self.registry)


def _named(code: intake_pb2.RefusalCode.ValueType) -> str:
    return intake_pb2.RefusalCode.Name(code).removeprefix("REFUSAL_CODE_").lower()


def _show(gauge: Gauge, values_us: Mapping[str, int]) -> None:
    """Show these series in seconds, and no others. Never none of them for a moment: somebody may scrape just then."""
    shown = {name for metric in gauge.collect() for sample in metric.samples for name in sample.labels.values()}
    for name in shown - values_us.keys():
        gauge.remove(name)
    for name, value_us in values_us.items():
        gauge.labels(name).set(value_us / SECOND_US)
