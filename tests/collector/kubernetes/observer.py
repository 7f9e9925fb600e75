"""Observes a simulated cluster as an agent does, poll after poll, and keeps all that was given."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector import registry
from collector.base import Collector
from collector.kubernetes import objects
from collector.kubernetes.inventory import OWNERS, Inventory
from collector.kubernetes.sources import KubernetesSources
from collector.readings import Checkpoint, Coverage, Readings, Window
from meterbook.wire import instants
from meterbook.wire.sections import STALE
from meterbook.wire.series import Series
from tests.collector.conftest import series_of
from tests.fakes.cluster.clock import SECOND
from tests.fakes.cluster.cluster import READER, SimulatedCluster
from tests.fakes.cluster.scenario import Scenario
from tests.fakes.cluster.world import World

WAIT_S_MAX = 60.0


def is_stale(value: float) -> bool:
    return struct.pack("<d", value) == struct.pack("<d", STALE)


@dataclass
class Given:
    """What was given of one series: its samples by time, the end left out, and when it was said to end."""

    series: Series
    values: dict[int, float] = field(default_factory=dict)
    ends_us: list[int] = field(default_factory=list)

    @property
    def labels(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.series.labels)
        return found

    @property
    def about(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.series.attributes)
        return found

    @property
    def counted(self) -> float:
        """What a counter that began while it was watched has counted."""
        values = [self.values[at_us] for at_us in sorted(self.values)]
        assert values == sorted(values), f"{self.series} fell: {values}"
        return values[-1]


@dataclass
class Observer:
    """One agent's view of a cluster."""

    cluster: SimulatedCluster
    sources: KubernetesSources
    given: dict[int, Given] = field(default_factory=dict)
    coverage: list[Coverage] = field(default_factory=list)
    tags: dict[int, list[str | None]] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    ends_us: dict[str, int] = field(default_factory=dict)
    shown: dict[str, set[int]] = field(default_factory=dict)
    #: Whether the readings of a poll are stored, by its number and the source.
    stores: Callable[[int, str], bool] = lambda number, source: True
    polls: int = 0

    @property
    def inventory(self) -> Inventory:
        return self.sources._inventory

    def poll(self) -> None:
        """Every source, now."""
        caught_up(self.inventory, self.cluster)
        now_us = self.cluster.now_us
        self.polls += 1
        for collector in self.sources.current():
            self._collect(collector, now_us)

    def run(self, scenario: Scenario, interval_s: float = 15, *, polls_after: int = 3) -> None:
        """Poll a scenario from its beginning to its end, and a few times more."""
        self.poll()
        while self.cluster.now_us < scenario.ends_us + polls_after * interval_s * SECOND:
            self.cluster.run_to(self.cluster.now_us + round(interval_s * SECOND))
            self.poll()

    def of(self, metric: str, pod_uid: str | None = None, **labels: str) -> list[Given]:
        """What was given of a metric, of one pod and with some labels."""
        return [
            each
            for each in self.given.values()
            if each.series.metric == metric
            and (pod_uid is None or each.about.get("pod_uid") == pod_uid)
            and labels.items() <= each.labels.items()
        ]

    def counted(self, metric: str, pod_uid: str, **labels: str) -> float:
        return sum(each.counted for each in self.of(metric, pod_uid, **labels))

    def _collect(self, collector: Collector, now_us: int) -> None:
        source = collector.source
        window = Window(self.ends_us.get(source, self.cluster.now_us - SECOND), now_us)
        readings = collector.collect(window, self.checkpoints.get(source, {}))
        assert [(each.start_us, each.end_us) for each in readings.coverage] == [(window.start_us, window.end_us)]
        if not self.stores(self.polls, source):
            return
        self.checkpoints[source] = json.loads(json.dumps(dict(readings.checkpoint)))
        self.ends_us[source] = now_us
        self.coverage += readings.coverage
        self._keep(source, readings)

    def _keep(self, source: str, readings: Readings) -> None:
        defined = series_of(readings)
        ids = readings.samples["series_id"].to_numpy()
        tags = {row["series_id"]: row["tags"] for row in readings.series.of(ids).to_pylist()}
        for row in readings.samples.to_pylist():
            number, at_us = row["series_id"], instants.from_datetime(row["time"])
            given = self.given.setdefault(number, Given(defined[number]))
            if is_stale(row["value"]):
                given.ends_us.append(at_us)
                continue
            assert given.values.get(at_us, row["value"]) == row["value"], "one instant with two values"
            given.values[at_us] = row["value"]
            told = self.tags.setdefault(number, [])
            if not told or told[-1] != tags[number]:
                # Whoever saw the series at the poll before must be told.
                assert number in readings.retagged or number not in self.shown.get(source, ()), given.series
                told.append(tags[number])
        self.shown[source] = set(ids.tolist())


@contextmanager
def observing(
    world: World, folder: Path, *, rules: list[dict[str, Any]] | None = None, **settings: Any
) -> Iterator[Observer]:
    """A cluster of this world, and somebody who observes it."""
    with SimulatedCluster(world, folder) as cluster:
        cluster.api.allow(READER if rules is None else rules)
        sources = observer_of(cluster, **settings)
        try:
            assert not sources._inventory.unlisted(WAIT_S_MAX)
            yield Observer(cluster, sources)
        finally:
            sources.close()


def observer_of(cluster: SimulatedCluster, **settings: Any) -> KubernetesSources:
    """The sources of an agent that observes the cluster."""
    plugin = registry.plugin("kubernetes")
    api = {"kubeconfig": str(cluster.api.kubeconfig), "backoff_s_max": 0.1}
    sources = plugin.build(
        plugin.config.model_validate({"kind": "kubernetes", "cluster": "prod", "api": api} | settings)
    )
    assert isinstance(sources, KubernetesSources)
    sources.current()
    return sources


def caught_up(inventory: Inventory, cluster: SimulatedCluster) -> None:
    """Wait until the inventory holds what the API server does."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not _holds_all(inventory, cluster):
        assert time.monotonic() < deadline, "the inventory does not catch up"
        threading.Event().wait(0.002)


def _holds_all(inventory: Inventory, cluster: SimulatedCluster) -> bool:
    pods = {found.uid: found for each in cluster.api.objects("pods") if (found := objects.pod(each)) is not None}
    with inventory._lock:
        held = dict(inventory._pods.by_uid)
        nodes = {node.name for node in inventory._nodes.by_uid.values()}
        namespaces = {space.uid: space for space in inventory._namespaces.by_uid.values()}
        owners = set(inventory._owners.by_uid)
    if held.keys() != pods.keys() or any(objects.merged(held[uid], pod) != held[uid] for uid, pod in pods.items()):
        return False
    if nodes != {each["metadata"]["name"] for each in cluster.api.objects("nodes")}:
        return False
    spaces = [objects.named(each) for each in cluster.api.objects("namespaces")]
    if namespaces != {each.uid: each for each in spaces if each is not None}:
        return False
    made = [kind for _, group, resource in OWNERS.values() for kind in cluster.api.objects(f"{resource}.{group}")]
    return {each["metadata"]["uid"] for each in made} == owners
