"""What there is in the cluster: the capacity of its nodes, of claims and of volumes.

Costs are attributed in proportion to what there is, so it is measured like usage. The whole cluster is one source, which one of its
shards reads.
"""

from __future__ import annotations

from collector.kubernetes.book import Book, Measurement, Metric, Subject
from collector.kubernetes.config import KubernetesConfig
from collector.kubernetes.inventory import LISTED_S, Inventory
from collector.readings import Checkpoint, Coverage, Readings, Window

NODE_CAPACITY = Metric("node_resource_capacity", "gauge", "")
NODE_ALLOCATABLE = Metric("node_resource_allocatable", "gauge", "")
CLAIM_CAPACITY = Metric("persistentvolumeclaim_capacity_bytes", "gauge", "bytes")
VOLUME_CAPACITY = Metric("persistentvolume_capacity_bytes", "gauge", "bytes")


class CapacityCollector:
    """Reads nodes, claims and volumes from the inventory."""

    def __init__(self, config: KubernetesConfig, inventory: Inventory) -> None:
        self._config, self._inventory = config, inventory
        self._book = Book(self.source)
        self._poll = 0

    @property
    def source(self) -> str:
        """``kubernetes/<cluster>``."""
        return f"kubernetes/{self._config.cluster}"

    @property
    def catches_up(self) -> bool:
        """The API server shows the present only."""
        return False

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What there is now."""
        waiting = self._inventory.unlisted(LISTED_S)
        if waiting:
            failed = Coverage(
                self.source, window.start_us, window.end_us, "failed", f"the cluster is not known: {waiting}"
            )
            return Readings((failed,), checkpoint=checkpoint)
        now_us = window.end_us
        measured = [*self._nodes(now_us), *self._claims(now_us), *self._volumes(now_us)]
        samples, retagged = self._book.write(measured, now_us, stored=checkpoint.get("poll") == self._poll)
        self._poll = int(checkpoint.get("poll", 0)) + 1
        outdated = self._inventory.outdated()
        coverage = Coverage(self.source, window.start_us, now_us, "complete")
        if outdated:
            coverage = Coverage(self.source, window.start_us, now_us, "partial", f"may not be current: {outdated}")
        return Readings((coverage,), self._book, retagged, samples, checkpoint={"poll": self._poll})

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """Nothing is held beyond the last collection."""

    def close(self) -> None:
        """Nothing is held."""

    def _nodes(self, now_us: int) -> list[Measurement]:
        found = []
        for node, tags in self._inventory.nodes():
            subject = Subject((("cluster", self._config.cluster), ("node", node.name), ("node_uid", node.uid)), tags)
            for metric, amounts in ((NODE_CAPACITY, node.capacity), (NODE_ALLOCATABLE, node.allocatable)):
                for resource, amount in amounts:
                    found.append(Measurement(subject, metric, (("resource", resource),), None, now_us, float(amount)))
        return found

    def _claims(self, now_us: int) -> list[Measurement]:
        found = []
        for claim, tags in self._inventory.claims():
            if claim.capacity_bytes is None:
                continue
            about = (
                ("cluster", self._config.cluster),
                ("namespace", claim.namespace),
                ("persistentvolumeclaim", claim.name),
                ("persistentvolumeclaim_uid", claim.uid),
            )
            labels = (("storageclass", claim.storage_class), ("persistentvolume", claim.volume))
            amount = float(claim.capacity_bytes)
            found.append(Measurement(Subject(about, tags), CLAIM_CAPACITY, labels, None, now_us, amount))
        return found

    def _volumes(self, now_us: int) -> list[Measurement]:
        found = []
        for volume in self._inventory.volumes():
            if volume.capacity_bytes is None:
                continue
            about = (
                ("cluster", self._config.cluster),
                ("persistentvolume", volume.name),
                ("persistentvolume_uid", volume.uid),
            )
            labels = (("storageclass", volume.storage_class), ("persistentvolumeclaim", volume.claim))
            amount = float(volume.capacity_bytes)
            found.append(Measurement(Subject(about), VOLUME_CAPACITY, labels, None, now_us, amount))
        return found
