"""What the kernel tells of a process, read from /proc (Linux alone; proc(5))."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

_PROC = Path("/proc")


def cpu_s(pid: int) -> float:
    """User and system time since the process began, without its children."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family_cpu_s(pid: int) -> float:
    """Likewise, with that of its children, those that ended included."""
    fields = _stat(pid)
    ended_s = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return cpu_s(pid) + ended_s + sum(cpu_s(child) for child in descendants(pid))


def family_rss_mib(pid: int) -> float:
    """Resident memory of it and its children now; what they share counts for each."""
    return sum(memory_mib(each, "VmRSS") for each in [pid, *descendants(pid)])


def memory_mib(pid: int, what: Literal["VmRSS", "VmHWM"]) -> float:
    """Resident memory: now (VmRSS) or at its most (VmHWM). Raises FileNotFoundError where the process is gone."""
    lines = (_PROC / str(pid) / "status").read_text().splitlines()
    # A process that has ended but was not waited for has no such line.
    return next((int(line.split()[1]) for line in lines if line.startswith(what + ":")), 0) / 1024


def open_files(pid: int) -> int:
    """File descriptors, sockets included."""
    return sum(1 for _ in (_PROC / str(pid) / "fd").iterdir())


def threads(pid: int) -> int:
    """Threads of the process."""
    return int(_stat(pid)[17])


def descendants(pid: int) -> list[int]:
    """Its children, and theirs."""
    parents: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found[1:]


def _stat(pid: int) -> list[str]:
    """The fields of stat from the third on: the second, a name, may hold anything."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
