"""The answers of a kubelet to /metrics/resource and /metrics/cadvisor, as text with timestamps in milliseconds.

Names, labels and what is left out follow kubernetes 1.34, pkg/kubelet/metrics/collectors/resource_metrics.go and pkg/kubelet/server/
server.go (``containerPrometheusLabelsFunc``), and cAdvisor 0.52, metrics/prometheus.go. Start times carry no timestamp; those of cAdvisor
are in whole seconds, those of the resource endpoint are not. A cgroup that was not read yet has a start time and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.fakes.cluster import cgroups, counters
from tests.fakes.cluster.clock import SECOND
from tests.fakes.cluster.places import Node, phase_of
from tests.fakes.cluster.readings import FILES, NodeReadings, PodReading, Reading, of_container

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

_RESOURCE = {
    "container_cpu_usage_seconds_total": (
        "counter",
        "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
    ),
    "container_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the container in bytes"),
    "container_start_time_seconds": ("gauge", "[STABLE] Start time of the container since unix epoch in seconds"),
    "node_cpu_usage_seconds_total": ("counter", "[STABLE] Cumulative cpu time consumed by the node in core-seconds"),
    "node_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the node in bytes"),
    "pod_cpu_usage_seconds_total": ("counter", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds"),
    "pod_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the pod in bytes"),
    "resource_scrape_error": ("gauge", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"),
}
_CADVISOR = {
    "cadvisor_version_info": (
        "gauge",
        "A metric with a constant '1' value labeled by kernel version and cadvisor version.",
    ),
    "container_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed in seconds."),
    "container_fs_reads_bytes_total": ("counter", "Cumulative count of bytes read"),
    "container_fs_writes_bytes_total": ("counter", "Cumulative count of bytes written"),
    "container_last_seen": ("gauge", "Last time a container was seen by the exporter"),
    "container_memory_cache": ("gauge", "Number of bytes of page cache memory."),
    "container_memory_rss": ("gauge", "Size of RSS in bytes."),
    "container_memory_usage_bytes": (
        "gauge",
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
    ),
    "container_memory_working_set_bytes": ("gauge", "Current working set in bytes."),
    "container_network_receive_bytes_total": ("counter", "Cumulative count of bytes received"),
    "container_network_transmit_bytes_total": ("counter", "Cumulative count of bytes transmitted"),
    "container_scrape_error": ("gauge", "1 if there was an error while getting container metrics, 0 otherwise"),
    "container_start_time_seconds": ("gauge", "Start time of the container since unix epoch in seconds."),
    "machine_cpu_cores": ("gauge", "Number of logical CPU cores."),
    "machine_memory_bytes": ("gauge", "Amount of memory installed on the machine."),
}


class _Page:
    """Samples by family, written in the order of their names."""

    def __init__(self, families: dict[str, tuple[str, str]]) -> None:
        self._families = families
        self._lines: dict[str, list[str]] = {name: [] for name in families}

    def add(self, name: str, labels: str, value: str, time_us: int | None = None) -> None:
        stamp = "" if time_us is None else f" {time_us // 1000}"
        braced = f"{{{labels}}}" if labels else ""
        self._lines[name].append(f"{name}{braced} {value}{stamp}")

    def text(self) -> str:
        out: list[str] = []
        for name in sorted(self._lines):
            if self._lines[name]:
                kind, helped = self._families[name]
                out += (f"# HELP {name} {helped}", f"# TYPE {name} {kind}", *self._lines[name])
        return "\n".join(out) + "\n"


def resource(found: NodeReadings) -> str:
    """The page of /metrics/resource: no UIDs."""
    page = _Page(_RESOURCE)
    page.add("node_cpu_usage_seconds_total", "", _seconds(found.root.cpu_ns), found.root.time_us)
    page.add("node_memory_working_set_bytes", "", go_float(found.root.memory_bytes), found.root.time_us)
    for seen in found.pods:
        if not seen.containers:
            continue
        named = f'namespace="{seen.pod.namespace}",pod="{seen.pod.name}"'
        for container, instance, reading in seen.containers:
            labels = f'container="{container.name}",{named}'
            page.add("container_start_time_seconds", labels, go_float(found.stamp(instance.created_us) / SECOND))
            if reading is not None:
                page.add("container_cpu_usage_seconds_total", labels, _seconds(reading.cpu_ns), reading.time_us)
                page.add("container_memory_working_set_bytes", labels, go_float(reading.memory_bytes), reading.time_us)
        if seen.reading is not None:
            page.add("pod_cpu_usage_seconds_total", named, _seconds(seen.reading.cpu_ns), seen.reading.time_us)
            page.add("pod_memory_working_set_bytes", named, go_float(seen.reading.memory_bytes), seen.reading.time_us)
    page.add("resource_scrape_error", "", "0")
    return page.text()


def cadvisor(found: NodeReadings) -> str:
    """The page of /metrics/cadvisor: every cgroup that is there."""
    page = _Page(_CADVISOR)
    node = found.node
    page.add(
        "cadvisor_version_info",
        'cadvisorRevision="",cadvisorVersion="",dockerVersion="",kernelVersion="6.12.0",osVersion="Debian GNU/Linux 13"',
        "1",
    )
    page.add("machine_cpu_cores", 'boot_id="",machine_id="",system_uuid=""', go_float(node.cpu_millicores // 1000))
    page.add("machine_memory_bytes", 'boot_id="",machine_id="",system_uuid=""', go_float(node.memory_bytes))
    for path, reading in (("/", found.root), (cgroups.pods_path(node), found.pods_root)):
        _cgroup(page, ("", path, "", "", "", ""), found.stamp(found.booted_us), reading)
    received, sent = found.host_network(found.root.taken_us)
    _network(page, ("", "/", "", "", "", ""), received, sent, found.root.time_us)
    for seen in found.pods:
        _pod(page, found, seen)
    page.add("container_scrape_error", "", "0")
    return page.text()


#: The labels container, id, image, name, namespace and pod.
_Labels = tuple[str, str, str, str, str, str]


def _pod(page: _Page, found: NodeReadings, seen: PodReading) -> None:
    node, pod, sandbox = found.node, seen.pod, seen.sandbox
    named = (pod.namespace, pod.name)
    of_pod: _Labels = ("", cgroups.pod_path(node, pod), "", "", *named)
    _cgroup(page, of_pod, found.stamp(sandbox.begin_us), seen.reading)
    if seen.reading is not None:
        totals = [counters.of_sandbox(pod, sandbox, what, seen.reading.taken_us) for what in FILES]
        _files(page, node, of_pod, pod.kubelet_uid, totals, seen.reading.time_us)
    pause_path = cgroups.container_path(node, pod, sandbox.sandbox_id)
    pause: _Labels = ("", pause_path, "pause:3.10", sandbox.sandbox_id, *named)
    network_us = seen.network_us
    still = None if network_us is None else Reading(network_us, found.stamp(network_us), 20_000_000, 0, 40_960)
    _cgroup(page, pause, found.stamp(sandbox.begin_us), still)
    if network_us is not None:
        _network(page, pause, *found.network(seen, network_us), found.stamp(network_us))
    for container, instance, reading in seen.containers:
        path = cgroups.container_path(node, pod, instance.container_id)
        labels: _Labels = (container.name, path, container.image, instance.container_id, *named)
        if node.runtime_stats:  # what the runtime told is not on cAdvisor's page
            taken_us = node.housekeeping.last(instance.container_id, instance.begin_us, found.now_us)
            reading = None if taken_us is None else of_container(node, instance, taken_us)
        _cgroup(page, labels, found.stamp(instance.created_us), reading)
        if reading is not None:
            totals = [counters.of_instance(instance, what, reading.taken_us) for what in FILES]
            _files(page, node, labels, instance.container_id, totals, reading.time_us)


def _cgroup(page: _Page, labels: _Labels, begun_us: int, reading: Reading | None) -> None:
    written = _written(labels)
    page.add("container_start_time_seconds", written, go_float(begun_us // SECOND))
    if reading is None:
        return
    container, rest = written.split(",", 1)
    memory, time_us = reading.memory_bytes, reading.time_us
    if reading.cpu_ns:  # nothing is no line
        page.add(
            "container_cpu_usage_seconds_total", f'{container},cpu="total",{rest}', _seconds(reading.cpu_ns), time_us
        )
    page.add("container_last_seen", written, go_float(time_us // SECOND), time_us)
    page.add("container_memory_cache", written, go_float(memory // 4), time_us)
    page.add("container_memory_rss", written, go_float(memory - memory // 8), time_us)
    page.add("container_memory_usage_bytes", written, go_float(memory + memory // 8), time_us)
    page.add("container_memory_working_set_bytes", written, go_float(memory), time_us)


def _files(page: _Page, node: Node, labels: _Labels, key: str, totals: Iterable[int], time_us: int) -> None:
    """A device appears with its first byte; what a node shows of it is its ``file_io``."""
    shown = node.file_io
    if shown == "some":
        shown = ("right", "zero", "missing")[int(phase_of(f"{key}/files") * 3)]
    if shown == "missing":
        return
    container, rest = _written(labels).split(",", 1)
    for name, total in zip(("container_fs_reads_bytes_total", "container_fs_writes_bytes_total"), totals, strict=True):
        left = counters.whole(total)
        for number, device in enumerate(node.devices):
            last = number == len(node.devices) - 1
            part = left if last else left // 2
            left -= part
            if part:
                value = go_float(0 if shown == "zero" else part)
                page.add(name, f'{container},device="{device}",{rest}', value, time_us)


def _network(page: _Page, labels: _Labels, received: int, sent: int, time_us: int) -> None:
    container, path, image, name, namespace, pod = labels
    written = (
        f'container="{container}",id="{path}",image="{image}",interface="eth0",name="{name}",'
        f'namespace="{namespace}",pod="{pod}"'
    )
    page.add("container_network_receive_bytes_total", written, go_float(received), time_us)
    page.add("container_network_transmit_bytes_total", written, go_float(sent), time_us)


def _written(labels: _Labels) -> str:
    container, path, image, name, namespace, pod = labels
    return f'container="{container}",id="{path}",image="{image}",name="{name}",namespace="{namespace}",pod="{pod}"'


def _seconds(cpu_ns: int) -> str:
    return go_float(cpu_ns / 1_000_000_000)


def go_float(value: float) -> str:
    """A number as Go's strconv writes it with format 'g' and the shortest precision: 1.234567e+06 from a million on."""
    value = float(value)
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        text = repr(value)
        return text[:-2] if text.endswith(".0") else text
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    power = int(exponent) if exponent else len(whole) - 1
    digits = digits.rstrip("0") or "0"
    point = "." if len(digits) > 1 else ""
    return f"{digits[0]}{point}{digits[1:]}e{'-' if power < 0 else '+'}{abs(power):02d}"
