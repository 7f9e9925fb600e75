"""The pods of one node: what their containers asked for, and for how long, exactly.

Everything is told by the API server, so it is complete even where the kubelet was not asked in time: a container of five seconds between
two polls is booked with the second it began and the second it ended. What the API server does not know either is marked: a pod that
vanished without its end being told (its node was lost), and runs between two statuses.

That a container has ended is told a little later, and not at all while its node is not ready. So running ones are counted some seconds
behind the clock, and not on while nobody would say that they have ended: what was counted cannot be taken back.

The checkpoint has until when running containers are counted, and what each has asked for since when.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from collector.kubernetes.book import Book, Measurement
from collector.kubernetes.config import KubernetesConfig
from collector.kubernetes.inventory import LISTED_S, Inventory, Place
from collector.kubernetes.lifetimes import Asked, Run, runs, stretches, values
from collector.kubernetes.objects import Pod
from collector.kubernetes.usage import measurement, pod_subject, told_of
from collector.readings import Checkpoint, Coverage, Readings, Status, Window
from meterbook.wire.instants import SECOND_US


@dataclass
class _Known:
    """Until when running containers are counted, what they asked for, what is booked for good, and how many runs nobody saw."""

    until_us: int = 0
    asked: dict[str, Asked] = field(default_factory=dict)
    booked: set[str] = field(default_factory=set)
    unseen: dict[str, int] = field(default_factory=dict)


class RequestsCollector:
    """Reads the pods of one node from the inventory."""

    def __init__(self, config: KubernetesConfig, node: str, inventory: Inventory) -> None:
        self._config, self._node, self._inventory = config, node, inventory
        self._book = Book(self.source)
        #: Number of the last poll: the checkpoint has it once that is stored.
        self._poll = 0
        #: As of the last poll that is stored, and as of the one after it.
        self._known = self._next = _Known()
        self._unknown_since_us: dict[str, int] = {}

    @property
    def source(self) -> str:
        """``kubernetes/<cluster>/<node>/pods``."""
        return f"kubernetes/{self._config.cluster}/{self._node}/pods"

    @property
    def catches_up(self) -> bool:
        """A pod that came and went while nobody watched is not told of any more."""
        return False

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What is asked for now, and what was since the last time."""
        waiting = self._inventory.unlisted(LISTED_S)
        if waiting:
            reason = f"pods are not known: {waiting}"
            failed = Coverage(self.source, window.start_us, window.end_us, "failed", reason)
            return Readings((failed,), checkpoint=checkpoint)
        stored = checkpoint.get("poll") == self._poll
        if stored:
            self._known = self._next
        elif self._poll == 0:
            asked_before = {key: _from_json(each) for key, each in checkpoint.get("asked", {}).items()}
            self._known = _Known(int(checkpoint.get("until_us", 0)), asked_before)
        known, reasons = self._known, list[str]()
        until_us = self._until(window.end_us, reasons)
        self._next = _Known(until_us, dict(known.asked), set(known.booked), dict(known.unseen))
        measured: list[Measurement] = []
        alive: set[str] = set()
        present, (gone, lost) = self._inventory.pods_on(self._node), self._inventory.gone_from(self._node)
        for place in present:
            measured += self._of_pod(place, window, alive, reasons)
        for place in gone:
            # What did not end by its own account ended with the pod: nobody knows when.
            told = replace(place, pod=_ended(place.pod))
            measured += self._of_pod(told, window, alive, reasons)
        self._mark(present, gone, reasons)
        if lost:
            reasons.append(f"{lost} pods that are gone were not asked for in time, and are left out")
        outdated = self._inventory.outdated()
        if outdated:
            reasons.append(f"pods may not be current: {outdated}")
        self._forget(alive, present, gone)
        self._poll = int(checkpoint.get("poll", 0)) + 1
        samples, retagged = self._book.write(measured, window.end_us, stored=stored)
        status: Status = "partial" if reasons else "complete"
        coverage = Coverage(self.source, window.start_us, window.end_us, status, "; ".join(reasons))
        asked = {key: _to_json(asked) for key, asked in self._next.asked.items()}
        kept = {"poll": self._poll, "until_us": until_us, "asked": asked}
        return Readings((coverage,), self._book, retagged, samples, checkpoint=kept)

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """Nothing is held beyond the last collection."""

    def close(self) -> None:
        """Nothing is held."""

    def _until(self, now_us: int, reasons: list[str]) -> int:
        """Until when running containers are counted."""
        node = self._inventory.node(self._node)
        if node is not None and node.ready:
            return max(self._known.until_us, now_us - round(self._config.status_lag_s * SECOND_US))
        what = "is not ready" if node is not None else "is not there any more"
        if self._inventory.pods_on(self._node):
            reasons.append(f"node {self._node} {what}: its containers are counted until it was last heard of")
        return self._known.until_us

    def _of_pod(self, place: Place, window: Window, alive: set[str], reasons: list[str]) -> list[Measurement]:
        pod = place.pod
        if place.tags is None:
            since_us = self._unknown_since_us.setdefault(pod.uid, window.end_us)
            if window.end_us - since_us < self._config.unresolved_s * 1e6:
                told_of(
                    reasons, [f"{pod.namespace}/{pod.name}"], "not known with its namespace and owners yet, left out"
                )
                return []
            told_of(reasons, [f"{pod.namespace}/{pod.name}"], "unresolved")
        named = (pod.namespace, pod.name, pod.kubelet_uid)
        subject = pod_subject(self._config.cluster, self._node, named, place.tags)
        measured: list[Measurement] = []
        for run in runs(pod):
            key = f"{pod.uid}/{run.key}"
            if key in self._known.booked:
                continue
            alive.add(key)
            asked = self._asked(key, run, window.end_us)
            until_us = self._next.until_us if run.finished_us is None else window.end_us
            if run.finished_us is not None and run.finished_us < self._known.until_us and key in self._known.asked:
                over_s = (self._known.until_us - run.finished_us) / SECOND_US
                reasons.append(
                    f"{pod.namespace}/{pod.name} ended {over_s:g} s before it was told, and was counted so much longer"
                )
            for stretch in stretches(run, asked):
                measured += [measurement(subject, value, ends=ends) for value, ends in values(stretch, until_us)]
            if run.finished_us is not None and run.finished_us <= until_us:
                self._next.booked.add(key)
        return measured

    def _asked(self, key: str, run: Run, now_us: int) -> Asked:
        """What a run has asked for, with what it asks for now at the end."""
        before = self._known.asked.get(key, ((run.started_us, run.container.requests),))
        if before[-1][1] != run.container.requests and run.finished_us is None:
            before = (*before, (now_us, run.container.requests))
        self._next.asked[key] = before
        return before

    def _mark(self, present: list[Place], gone: list[Place], reasons: list[str]) -> None:
        """Say what nobody knows."""
        lost = []
        for place in gone:
            unended = any(each.finished_us is None for run in place.pod.containers for each in run.instances)
            if unended and place.pod.uid not in self._known.booked:
                lost.append(f"{place.pod.namespace}/{place.pod.name}")
                self._next.booked.add(place.pod.uid)
        told_of(reasons, lost, "vanished without telling when they ended, counted until they were last seen")
        missed = []
        for place in (*present, *gone):
            unseen = sum(container.unseen for container in place.pod.containers)
            if unseen > self._known.unseen.get(place.pod.uid, 0):
                missed.append(f"{place.pod.namespace}/{place.pod.name}")
            if unseen:
                self._next.unseen[place.pod.uid] = unseen
        told_of(reasons, missed, "restarted more often than was seen")

    def _forget(self, alive: set[str], present: list[Place], gone: list[Place]) -> None:
        uids = {place.pod.uid for place in (*present, *gone)}
        self._next.asked = {key: asked for key, asked in self._next.asked.items() if key in alive}
        self._next.booked = {key for key in self._next.booked if key.partition("/")[0] in uids}
        self._next.unseen = {uid: count for uid, count in self._next.unseen.items() if uid in uids}
        self._unknown_since_us = {uid: since for uid, since in self._unknown_since_us.items() if uid in uids}


def _ended(pod: Pod) -> Pod:
    """The pod with those runs only whose end is told."""
    containers = (
        replace(each, instances=tuple(run for run in each.instances if run.finished_us is not None))
        for each in pod.containers
    )
    return replace(pod, containers=tuple(containers))


def _to_json(asked: Asked) -> list[Any]:
    return [[since_us, {name: str(amount) for name, amount in requests}] for since_us, requests in asked]


def _from_json(told: list[Any]) -> Asked:
    return tuple(
        (since_us, tuple(sorted((name, Decimal(amount)) for name, amount in requests.items())))
        for since_us, requests in told
    )
