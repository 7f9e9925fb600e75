"""One node: what its kubelet shows of it and of its pods.

A pod is told by its UID, a static one by the UID that its kubelet gives it. A pod that the API server has not told of yet is left
out for a while: its counters go on, and say later what they have counted, because they are known to have begun while the node was
watched. If it stays unknown, or is gone before it was known, its usage is booked for ``@unresolved`` and the coverage says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.errors import SourceError, TransientError
from collector.kubernetes.book import Book, Measurement, Subject
from collector.kubernetes.config import KubernetesConfig
from collector.kubernetes.inventory import LISTED_S, Inventory
from collector.kubernetes.kubelet import CADVISOR, RESOURCE, SUMMARY, Kubelets
from collector.kubernetes.objects import Node
from collector.kubernetes.pages import FileIo, Lightest
from collector.kubernetes.sandboxes import Sandboxes
from collector.kubernetes.summary import POD_RECEIVED, POD_SENT, PodUsage, Usage, Value, usage
from collector.readings import Checkpoint, Coverage, Readings, Status, Window

_OF_HOST = (POD_RECEIVED, POD_SENT)
_NAMED_MAX = 3


class UsageCollector:
    """Reads one kubelet."""

    def __init__(self, config: KubernetesConfig, node: str, inventory: Inventory, kubelets: Kubelets) -> None:
        self._config, self._node, self._inventory, self._kubelets = config, node, inventory, kubelets
        self._book = Book(self.source)
        self._sandboxes = Sandboxes()
        self._file_io = FileIo(self.source, config.samples_max)
        self._lightest = Lightest(self.source, config.samples_max)
        #: Number of the last poll: the checkpoint has it once that is stored.
        self._poll = 0
        #: Pods that are not known: since when, and what they showed last; as of the last poll that is stored, and of the one after.
        self._unknown: dict[str, tuple[int, PodUsage]] = {}
        self._waiting: dict[str, tuple[int, PodUsage]] = {}

    @property
    def source(self) -> str:
        """``kubernetes/<cluster>/<node>``."""
        return f"kubernetes/{self._config.cluster}/{self._node}"

    @property
    def catches_up(self) -> bool:
        """A kubelet shows the present only."""
        return False

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What the kubelet shows now."""
        try:
            found = self._read(window.end_us)
        except SourceError as error:
            failed = Coverage(self.source, window.start_us, window.end_us, error.status, str(error))
            return Readings((failed,), checkpoint=checkpoint)
        stored = checkpoint.get("poll") == self._poll
        if stored:
            self._unknown = self._waiting
        reasons: list[str] = []
        pods = self._sandboxes.settled(found.pods, window.end_us, checkpoint.get("sandboxes", {}))
        measured = self._of_node(found) + self._of_pods(pods, window.end_us, reasons)
        outdated = self._inventory.outdated()
        if outdated:
            reasons.append(f"tags may not be current: {outdated}")
        samples, retagged = self._book.write(measured, window.end_us, stored=stored)
        self._poll = int(checkpoint.get("poll", 0)) + 1
        status: Status = "partial" if reasons else "complete"
        coverage = Coverage(self.source, window.start_us, window.end_us, status, "; ".join(reasons))
        after = {"poll": self._poll, "sandboxes": self._sandboxes.document()}
        return Readings((coverage,), self._book, retagged, samples, checkpoint=after)

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """Nothing is held beyond the last collection."""

    def close(self) -> None:
        """Nothing is held."""

    def _read(self, now_us: int) -> Usage:
        """All pages as one. Raises SourceError."""
        waiting = self._inventory.unlisted(LISTED_S)
        if waiting:
            raise _not_ready(waiting)
        node = self._inventory.node(self._node)
        if node is None:
            raise _not_ready(f"there is no node {self._node} any more")
        if self._config.usage == "summary":
            found = usage(f"node {self._node}", self._kubelets.read(node, SUMMARY), now_us)
        else:
            found = self._lightest.read(self._kubelets.read(node, RESOURCE), now_us, self._uids(node))
        if self._config.file_io:
            found = self._file_io.added(found, self._kubelets.read(node, CADVISOR), now_us)
        return found

    def _uids(self, node: Node) -> dict[tuple[str, str], str]:
        """The kubelet's UID of each pod by namespace and name: pages without UIDs name them so."""
        pods = [place.pod for place in self._inventory.pods_on(node.name)]
        return {(pod.namespace, pod.name): pod.kubelet_uid for pod in pods}

    def _of_node(self, found: Usage) -> list[Measurement]:
        about = (("cluster", self._config.cluster), ("node", self._node))
        subject = Subject(about, self._inventory.node_tags(self._node))
        return [measurement(subject, value) for value in found.node]

    def _of_pods(self, pods: Sequence[PodUsage], now_us: int, reasons: list[str]) -> list[Measurement]:
        measured: list[Measurement] = []
        waiting: dict[str, tuple[int, PodUsage]] = {}
        left_out, unresolved = [], []
        shown = {pod.uid for pod in pods}
        for pod in pods:
            place = self._inventory.find(pod.uid)
            if place is not None and place.tags is not None:
                subject = self._subject(pod, place.tags)
                host = place.pod.host_network
                # On the host's network a pod shows the host's traffic as its own.
                measured += [
                    measurement(subject, value) for value in pod.values if not (host and value.metric in _OF_HOST)
                ]
                continue
            since_us = self._unknown.get(pod.uid, (now_us, pod))[0]
            waiting[pod.uid] = (since_us, pod)
            if now_us - since_us < self._config.unresolved_s * 1e6:
                left_out.append(f"{pod.namespace}/{pod.name}")
            else:
                unresolved.append(pod)
        for pod in (pod for uid, (_, pod) in self._unknown.items() if uid not in waiting and uid not in shown):
            # It was gone before anybody told whose it was.
            place = self._inventory.find(pod.uid)
            if place is None or place.tags is None:
                unresolved.append(pod)
            else:
                measured += [measurement(self._subject(pod, place.tags), value) for value in pod.values]
        for pod in unresolved:
            measured += [measurement(self._subject(pod, None), value) for value in pod.values]
        self._waiting = waiting
        told_of(reasons, left_out, "not told of by the API server yet, left out until it is")
        told_of(reasons, [f"{pod.namespace}/{pod.name}" for pod in unresolved], "unresolved")
        return measured

    def _subject(self, pod: PodUsage, tags: str | None) -> Subject:
        return pod_subject(self._config.cluster, self._node, (pod.namespace, pod.name, pod.uid), tags)


def pod_subject(cluster: str, node: str, pod: tuple[str, str, str], tags: str | None) -> Subject:
    """A pod, by namespace, name and the UID that its kubelet gives it: the same to whoever measures something of it."""
    namespace, name, uid = pod
    about = (("cluster", cluster), ("namespace", namespace), ("node", node), ("pod", name), ("pod_uid", uid))
    return Subject(about, tags)


def measurement(subject: Subject, value: Value, *, ends: bool = False) -> Measurement:
    """A value of what is measured."""
    return Measurement(subject, value.metric, value.labels, value.start_us, value.time_us, value.value, ends)


def told_of(reasons: list[str], names: Sequence[str], what: str) -> None:
    """Add a reason that names some pods."""
    if names:
        more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
        reasons.append(
            f"{len(names)} {'pod' if len(names) == 1 else 'pods'} {what}: {', '.join(names[:_NAMED_MAX])}{more}"
        )


def _not_ready(reason: str) -> TransientError:
    return TransientError(f"pods cannot be told apart: {reason}")
