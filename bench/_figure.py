"""How a bench says what it measured: one JSON object on the last line."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path


def report(
    figure: str,
    value: float,
    unit: str,
    *,
    goal: float,
    met: bool,
    peers: Mapping[str, object],
    limit: Mapping[str, object],
) -> None:
    """Print the figure. ``peers`` and ``limit`` give what was measured in the same run, or why it was not."""
    line = {
        "figure": figure,
        "value": value,
        "unit": unit,
        "goal": goal,
        "met": met,
        "peers": dict(peers),
        "limit": dict(limit),
        "machine": machine(),
    }
    print(json.dumps(line), flush=True)


def machine() -> str:
    """Cores, memory, processor and Python, in a line."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores ({model}), {memory_gib:.0f} GiB, Python {platform.python_version()}"
