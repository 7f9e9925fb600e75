"""What the agent says of itself on /metrics.

Counters are counted where things happen; sizes are read from the spool when somebody asks, so that they cannot
drift from the truth. The registry is the agent's own: two agents in one process do not mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as MetricCollector

from agent.spool import Sizes
from meterbook.wire import instants

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class SelfMetrics:
    """The agent's metrics."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.collections = Counter(
            "meterbook_agent_collections",
            "Collections, by how well the source was observed.",
            ["source", "status"],
            registry=registry,
        )
        self.collection_seconds = Histogram(
            "meterbook_agent_collection_seconds",
            "Seconds from asking a source to having its readings in the spool.",
            ["source"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.ticks_missed = Counter(
            "meterbook_agent_ticks_missed", "Ticks at which no collection began.", ["source"], registry=registry
        )
        self.samples = Counter("meterbook_agent_samples", "Samples spooled.", ["source"], registry=registry)
        self.events = Counter("meterbook_agent_events", "Events spooled.", ["source"], registry=registry)
        self.events_unassigned = Counter(
            "meterbook_agent_events_unassigned",
            "Events spooled that no tag rule matched.",
            ["source"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "meterbook_agent_dead_letters", "Records that could not be read.", ["source"], registry=registry
        )
        self.connected = Gauge(
            "meterbook_agent_uplink_connected", "1 while the ledger takes batches.", registry=registry
        )
        self.connections_lost = Counter(
            "meterbook_agent_uplink_disconnections", "Streams to the ledger that ended.", registry=registry
        )
        self.batches_sent = Counter(
            "meterbook_agent_batches_sent", "Batches sent, again if need be.", registry=registry
        )
        self.refusals = Counter(
            "meterbook_agent_refusals", "Batches that the ledger refused.", ["code"], registry=registry
        )
        self.epochs_begun = Counter(
            "meterbook_agent_epochs_begun", "Times that the ledger and the spool parted company.", registry=registry
        )

    def watch_ledger(self, distrust: Callable[[], str], failures: Callable[[], int], size: Callable[[], int]) -> None:
        """Shows whether the ledger is believed, how often it was not, and how large the book was that it showed last."""
        for name, text, value in (
            ("ledger_trusted", "1 while the ledger shows the book that it showed before.", lambda: not distrust()),
            ("witness_failures", "Times that the ledger showed what cannot be believed.", failures),
            ("witnessed_records", "Records in the last checkpoint of the ledger that was believed.", size),
        ):
            Gauge(f"meterbook_agent_{name}", text, registry=self.registry).set_function(value)

    def watch(self, sizes: Callable[[], Sizes]) -> None:
        """Shows what ``sizes`` gives, each time somebody asks."""
        self.registry.register(_SpoolMetrics(sizes))


class _SpoolMetrics(MetricCollector):
    def __init__(self, sizes: Callable[[], Sizes]) -> None:
        self._sizes = sizes

    def collect(self) -> Iterator[Metric]:
        sizes = self._sizes()
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
