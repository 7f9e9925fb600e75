"""What the agent says of itself on /metrics.

Counters are counted where things happen; sizes are read from the spool when somebody asks, so that they cannot
drift from the truth. The registry is the agent's own: two agents in one process do not mix. It outlives a configuration
that is exchanged while the agent runs: what was counted goes on, and what is read is that of the agent of now.

Sources come and go, and what is shown must not grow with all that ever were: of one that is not read any more the counters go, a while
later, since whoever asks now and then is to see the last of them. docs/metrics.md lists all of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as MetricCollector

from agent.spool import Sizes
from collector.readings import Status
from meterbook.intake.v1 import intake_pb2
from meterbook.wire import instants

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: How long the counters of a source stay that is not read any more.
KEPT_S = 600.0


class SelfMetrics:
    """The agent's metrics."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        #: When each source ended whose counters are still there.
        self._ended_s: dict[str, float] = {}
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.collections = self._counter(
            "collections", "Collections, by how well the source was observed.", "source", "status"
        )
        self.collection_seconds = self._histogram(
            "collection_seconds", "Seconds from asking a source to having its readings in the spool.", "source"
        )
        self.gap_seconds = self._counter(
            "gap_seconds",
            "Seconds of which the coverage told that they were not wholly observed, by how well they were.",
            "source",
            "status",
        )
        self.ticks_missed = self._counter("ticks_missed", "Ticks at which no collection began.", "source")
        self.samples = self._counter("samples", "Samples spooled.", "source")
        self.events = self._counter("events", "Events spooled.", "source")
        self.events_unassigned = self._counter(
            "events_unassigned", "Events spooled that no tag rule matched.", "source"
        )
        self.dead_letters = self._counter("dead_letters", "Records that could not be read.", "source")
        self.connected = self._gauge("uplink_connected", "1 while the ledger takes batches.")
        self.connections_lost = self._counter("uplink_disconnections", "Streams to the ledger that ended.")
        self.batches_sent = self._counter("batches_sent", "Batches sent, again if need be.")
        self.ack_seconds = self._histogram("ack_seconds", "Seconds from sending a batch to its acknowledgement.")
        self.refusals = self._counter("refusals", "Batches that the ledger refused.", "code")
        # There from the start, as below.
        for code in intake_pb2.RefusalCode.keys()[1:]:
            self.refusals.labels(code.removeprefix("REFUSAL_CODE_"))
        self.epochs_begun = self._counter("epochs_begun", "Times that the ledger and the spool parted company.")
        self.memory_limit = self._gauge(
            "memory_limit_bytes", "Most memory that the agent may take, by its cgroup; 0 where there is no limit."
        )
        self.memory_used = self._gauge(
            "memory_used_bytes", "Memory that counts against that limit, less what the kernel gives back by itself."
        )
        self.memory_short = self._gauge("memory_short", "1 while memory is short, and less is done at once.")
        self._trusted = self._gauge("ledger_trusted", "1 while the ledger shows the book that it showed before.")
        self._failures = self._gauge("witness_failures", "Times that the ledger showed what cannot be believed.")
        self._witnessed = self._gauge(
            "witnessed_records", "Records in the last checkpoint of the ledger that was believed."
        )
        self._spool: _SpoolMetrics | None = None
        self._by_source = (
            self.collection_seconds,
            self.ticks_missed,
            self.samples,
            self.events,
            self.events_unassigned,
            self.dead_letters,
        )
        self._by_source_and_status = (self.collections, self.gap_seconds)

    def begin(self, source: str) -> None:
        """A source is read from now on; where it was until a while ago, its counters go on."""
        with self._mutex:
            self._ended_s.pop(source, None)
            # There from the start: a counter that begins with its first loss shows no increase, and nobody would be told.
            self.collections.labels(source, "lost")

    def end(self, source: str) -> None:
        """A source is not read here any more: its counters go once they were there for ``KEPT_S`` seconds more."""
        with self._mutex:
            self._ended_s[source] = self._clock()

    def sweep(self) -> None:
        """Let go of what was counted of sources that ended long enough ago; to be called now and then."""
        with self._mutex:
            due_s = self._clock() - KEPT_S
            for source in [source for source, ended_s in self._ended_s.items() if ended_s <= due_s]:
                del self._ended_s[source]
                self._remove(source)

    def _remove(self, source: str) -> None:
        for metric in self._by_source:
            with suppress(KeyError):  # nothing of this kind was counted
                metric.remove(source)
        for metric in self._by_source_and_status:
            for status in get_args(Status):
                with suppress(KeyError):
                    metric.remove(source, status)

    def watch_ledger(self, distrust: Callable[[], str], failures: Callable[[], int], size: Callable[[], int]) -> None:
        """From now on shows whether the ledger is believed, how often it was not, and how large the book was that it showed last."""
        self._trusted.set_function(lambda: not distrust())
        self._failures.set_function(failures)
        self._witnessed.set_function(size)

    def watch(self, sizes: Callable[[], Sizes]) -> None:
        """From now on shows what ``sizes`` gives, each time somebody asks."""
        if self._spool is None:
            self._spool = _SpoolMetrics(sizes)
            self.registry.register(self._spool)
        self._spool.sizes = sizes

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"meterbook_agent_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"meterbook_agent_{name}", text, labels, buckets=_SECONDS, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"meterbook_agent_{name}", text, registry=self.registry)


class _SpoolMetrics(MetricCollector):
    def __init__(self, sizes: Callable[[], Sizes]) -> None:
        self.sizes = sizes

    def collect(self) -> Iterator[Metric]:
        sizes = self.sizes()
        age_s = 0.0 if sizes.oldest_us is None else (instants.now_us() - sizes.oldest_us) / instants.SECOND_US
        for name, text, value in (
            ("spool_bytes", "Bytes of batches that wait for the ledger.", sizes.bytes),
            ("spool_bytes_max", "Most bytes that may wait.", sizes.bytes_max),
            ("spool_batches", "Batches that wait for the ledger.", sizes.batches),
            ("spool_oldest_age_seconds", "Age of the oldest batch that waits.", max(age_s, 0.0)),
            ("sealed_sequence", "Sequence of the last batch sealed in this epoch.", sizes.sequence),
            ("acknowledged_sequence", "Sequence of the last batch that the ledger holds.", sizes.acked_sequence),
        ):
            yield GaugeMetricFamily(f"meterbook_agent_{name}", text, value=float(value))
