"""What a kubelet's pages of metrics say: ``/metrics/resource`` and, of ``/metrics/cadvisor``, bytes read and written.

Names and labels are those of kubernetes/pkg/kubelet/metrics/collectors/resource_metrics.go and of cAdvisor's ``metrics/prometheus.go``.
The pages are read column by column, and a layout that was seen before is not looked into again (see ``collector.exposition``).

``/metrics/resource`` names pods without their UID: the one of this name that the API server shows on this node is meant. cAdvisor has
the UID in the path of the cgroup.

Bytes read and written are those of block devices: what the page cache answers and what goes to a network file system is not among
them, and under cgroup v2 some containers show nothing at all (cadvisor issues 2881 and 3047). No page tells under which version a node runs,
so all of them carry the quality ``best_effort``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.exposition.heads import HeadError, parse_head
from collector.exposition.page import Page
from collector.exposition.reader import Layout, PageReader, Rows
from collector.exposition.values import NO_TIME
from collector.kubernetes.book import Labels, Metric
from collector.kubernetes.summary import (
    CONTAINER_CPU,
    CONTAINER_MEMORY,
    NODE_CPU,
    NODE_MEMORY,
    POD_CPU,
    POD_MEMORY,
    PodUsage,
    Usage,
    Value,
)

READ = Metric("container_fs_reads_bytes_total", "counter", "bytes")
WRITTEN = Metric("container_fs_writes_bytes_total", "counter", "bytes")
QUALITY = ("quality", "best_effort")

_RESOURCE = {
    "container_cpu_usage_seconds_total": CONTAINER_CPU,
    "container_memory_working_set_bytes": CONTAINER_MEMORY,
    "pod_cpu_usage_seconds_total": POD_CPU,
    "pod_memory_working_set_bytes": POD_MEMORY,
    "node_cpu_usage_seconds_total": NODE_CPU,
    "node_memory_working_set_bytes": NODE_MEMORY,
}
_FILE_IO = {metric.name: metric for metric in (READ, WRITTEN)}
_STARTED = "container_start_time_seconds"
#: ``/kubepods/burstable/pod<uid>/<id>``, or ``...-pod<uid with underscores>.slice/cri-containerd-<id>.scope``.
_UID = re.compile(r"[/-]pod([0-9a-f_-]{8,})(?:\.slice)?(?:/|$)")


@dataclass(frozen=True)
class _Line:
    """A sample of interest: where it stands, and what it is of."""

    row: int
    metric: Metric
    labels: Labels
    pod: tuple[str, str, str]
    start_row: int | None


class _Chosen:
    """The samples of some names on the pages of one node, found anew only where the layout is new."""

    def __init__(self, place: str, samples_max: int, names: Mapping[str, Metric]) -> None:
        self._reader = PageReader(place, samples_max)
        self._names = names
        self._layout: Layout | None = None
        self._heads: list[tuple[int, str, dict[str, str]]] = []

    def read(self, body: bytes) -> tuple[Rows, list[tuple[int, str, dict[str, str]]], bool]:
        """The page, the row, name and labels of each such sample, and whether they are others than before."""
        rows = self._reader.read(Page(body, "text"))
        if rows.layout is self._layout:
            return rows, self._heads, False
        heads = rows.layout.heads
        wanted = np.zeros(len(heads), np.bool_)
        for name in (*self._names, _STARTED):
            wanted |= pc.starts_with(heads, name).to_numpy(zero_copy_only=False)
        places = np.flatnonzero(wanted)
        found = []
        for row, head in zip(places.tolist(), heads.take(pa.array(places)).to_pylist(), strict=True):
            try:
                name, labels = parse_head(head)
            except HeadError:
                continue  # of another program than a kubelet: nothing of ours
            if name in self._names or name == _STARTED:
                found.append((row, name, labels))
        self._layout, self._heads = rows.layout, found
        return rows, found, True


class Lightest:
    """Reads ``/metrics/resource`` of one node."""

    def __init__(self, place: str, samples_max: int) -> None:
        self._chosen = _Chosen(place, samples_max, _RESOURCE)

    def read(self, body: bytes, now_us: int, uids: Mapping[tuple[str, str], str]) -> Usage:
        """The page as usage; ``uids`` has the UID of each pod by namespace and name. Raises SourceError."""
        rows, heads, _ = self._chosen.read(body)
        starts = {
            (labels.get("namespace"), labels.get("pod"), labels.get("container")): row
            for row, name, labels in heads
            if name == _STARTED
        }
        node: list[Value] = []
        pods: dict[tuple[str, str], list[Value]] = {}
        for row, name, labels in heads:
            if name == _STARTED:
                continue
            place = (labels.get("namespace", ""), labels.get("pod", ""))
            container = labels.get("container")
            start_row = starts.get((*place, container))
            own: Labels = (("container", container),) if container else ()
            values = pods.setdefault(place, []) if place[1] else node
            metric = _RESOURCE[name]
            start_us = None if metric.kind != "counter" else _start_us(rows, start_row)
            values.append(Value(metric, own, start_us, _time_us(rows, row, now_us), float(rows.values[row])))
        return Usage(
            tuple(node),
            tuple(
                PodUsage(*place, uids.get(place, f"{place[0]}/{place[1]}"), tuple(found))
                for place, found in pods.items()
            ),
        )


class FileIo:
    """Reads bytes read and written of the containers of one node."""

    def __init__(self, place: str, samples_max: int) -> None:
        self._chosen = _Chosen(place, samples_max, _FILE_IO)
        self._lines: list[_Line] = []

    def added(self, usage: Usage, body: bytes, now_us: int) -> Usage:
        """Usage with the numbers of a page. Raises SourceError."""
        rows, heads, anew = self._chosen.read(body)
        if anew:
            self._lines = list(_lines(heads))
        found: dict[tuple[str, str, str], list[Value]] = {}
        for line in self._lines:
            start_us = _start_us(rows, line.start_row)
            value = Value(
                line.metric, line.labels, start_us, _time_us(rows, line.row, now_us), float(rows.values[line.row])
            )
            found.setdefault(line.pod, []).append(value)
        pods = [
            replace(pod, values=pod.values + tuple(found.pop((pod.namespace, pod.name, pod.uid), ())))
            for pod in usage.pods
        ]
        pods += [PodUsage(*pod, tuple(values)) for pod, values in found.items()]
        return replace(usage, pods=tuple(pods))


def _lines(heads: list[tuple[int, str, dict[str, str]]]) -> Iterator[_Line]:
    starts = {labels.get("id"): row for row, name, labels in heads if name == _STARTED}
    for row, name, labels in heads:
        path, container = labels.get("id", ""), labels.get("container", "")
        uid = _UID.search(path)
        # Without a container it is the pod's cgroup, or one of the node's own.
        if name == _STARTED or uid is None or not container:
            continue
        own = (("container", container), ("device", labels.get("device", "")), QUALITY)
        pod = (labels.get("namespace", ""), labels.get("pod", ""), uid[1].replace("_", "-"))
        yield _Line(row, _FILE_IO[name], own, pod, starts.get(path))


def _start_us(rows: Rows, row: int | None) -> int | None:
    """A start time as an instant; None where there is none that makes sense."""
    seconds = 0.0 if row is None else float(rows.values[row])
    return round(seconds * 1e6) if 0 < seconds < 1e11 else None


def _time_us(rows: Rows, row: int, now_us: int) -> int:
    if rows.times_us is None or rows.times_us[row] == NO_TIME:
        return now_us
    return int(rows.times_us[row])
