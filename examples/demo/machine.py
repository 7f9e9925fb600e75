"""The machine: an exporter of what the processes on it use, read from /proc.

Counters carry the time at which their process began, so that a process that was killed and started again is another
incarnation and not a reset. Run as ``python -m examples.demo.machine PORT``.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Processes(Collector):
    """CPU and memory of every process that can be read."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def collect(self) -> Iterator[Metric]:
        """Two families, a sample per process each."""
        cpu = CounterMetricFamily("machine_process_cpu_seconds", "CPU time used.", labels=["process", "pid"])
        memory = GaugeMetricFamily("machine_process_resident_bytes", "Memory held.", labels=["process", "pid"])
        booted_s = next(
            int(line.split()[1]) for line in (self._proc / "stat").read_text().splitlines() if line.startswith("btime")
        )
        for directory in self._proc.glob("[0-9]*"):
            try:
                if not (directory / "cmdline").read_bytes():
                    continue  # a thread of the kernel
                # The name stands in brackets and may hold anything, brackets and blanks included.
                head, _, tail = (directory / "stat").read_text(errors="replace").rpartition(")")
            except OSError:
                continue  # it ended just now
            name, fields = head.partition("(")[2], tail.split()
            used_s = (int(fields[11]) + int(fields[12])) / _TICKS
            began_s = booted_s + int(fields[19]) / _TICKS
            cpu.add_metric([name, directory.name], used_s, created=began_s)
            memory.add_metric([name, directory.name], int(fields[21]) * _PAGE_BYTES)
        yield cpu
        yield memory


if __name__ == "__main__":
    registry = CollectorRegistry()
    registry.register(Processes())
    start_http_server(int(sys.argv[1]), "127.0.0.1", registry)
    threading.Event().wait()
