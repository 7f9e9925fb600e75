"""The memory that the machine lets the agent have, and what is done before it is all taken.

In a container the kernel ends whoever goes beyond the limit of its group (cgroup), without a word: all that was under way is lost and
begins anew, and with the same work it ends the same way. So the agent looks how much is in use, as the kernel counts it, less what the
kernel would give back by itself (pages of files that nobody has read lately). Near the limit it says so and holds less: one collection at a
time, one batch under way, and what was freed is given back at once. What it has to read it reads all the same, only later.

A limit may be that of any group above the agent's; the one that is nearest to being met counts.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from agent import memory
from agent.selfmetrics import SelfMetrics

#: How often it is looked, in seconds.
INTERVAL_S = 5.0
#: The part of the limit from which on memory is short, and below which there is enough of it again.
SHORT_PART, ENOUGH_PART = 0.85, 0.75
#: Version 1 writes a limit that nobody set as a number of about this size.
_UNLIMITED_BYTES = 1 << 60
_MIB = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Use:
    """Bytes in use of a limit."""

    used_bytes: int
    limit_bytes: int

    @property
    def part(self) -> float:
        """The part of the limit that is in use."""
        return self.used_bytes / self.limit_bytes


@dataclass(frozen=True)
class _Group:
    """A group with a limit, by its files."""

    limit: Path
    used: Path
    reclaimable: str

    def use(self) -> Use | None:
        """None where there is no such group, or it has no limit."""
        try:
            limit = self.limit.read_text(encoding="ascii").strip()
            if limit == "max" or int(limit) >= _UNLIMITED_BYTES or int(limit) <= 0:
                return None
            stat = dict(line.split() for line in (self.used.parent / "memory.stat").read_text("ascii").splitlines())
            used = int(self.used.read_text(encoding="ascii")) - int(stat.get(self.reclaimable, 0))
        except (OSError, ValueError):
            return None
        return Use(max(0, used), int(limit))


def groups(system: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> list[_Group]:
    """The groups that this process may be in, of either version; most of them have no limit."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, _, controllers_and_path = line.partition(":")
        controllers, _, path = controllers_and_path.partition(":")
        if not controllers:
            root, names = system, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root, names = system / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # In a container the path may be that of the machine, and the group's files at the root.
        here = root / path.lstrip("/")
        folders = [each for each in (here, *here.parents) if each.is_relative_to(root)]
        found += [_Group(each / names[0], each / names[1], names[2]) for each in folders]
    return list(dict.fromkeys(found))


class MemoryLimit:
    """Looks, and has others hold less: ``hold_less`` is called with whether memory is short, where that changes."""

    def __init__(
        self,
        metrics: SelfMetrics,
        hold_less: Callable[[bool], object],
        use: Callable[[], list[Use]] | None = None,
    ) -> None:
        self._metrics, self._hold_less = metrics, hold_less
        known = groups()
        self._use = use or (lambda: [each for group in known if (each := group.use()) is not None])
        self._is_short = False
        self.look()

    def look(self) -> None:
        """Look how much is in use now, and do what follows from it."""
        most = max(self._use(), key=lambda each: each.part, default=None)
        if most is None:
            return
        self._metrics.memory_used.set(most.used_bytes)
        self._metrics.memory_limit.set(most.limit_bytes)
        was_short, self._is_short = self._is_short, most.part >= (ENOUGH_PART if self._is_short else SHORT_PART)
        self._metrics.memory_short.set(self._is_short)
        if self._is_short:
            gc.collect()
            pa.default_memory_pool().release_unused()
            memory.trim()
        if self._is_short == was_short:
            return
        told = f"{most.used_bytes // _MIB} of {most.limit_bytes // _MIB} MiB are in use"
        if self._is_short:
            _log.warning(
                "memory is short: %s. Until there is more, collections run one at a time and batches go one by one; "
                "raise the limit of the container, or divide what is read among more agents",
                told,
            )
        else:
            _log.info("there is enough memory again: %s", told)
        self._hold_less(self._is_short)
