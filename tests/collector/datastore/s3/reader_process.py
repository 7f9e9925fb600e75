"""An agent's part in reading a bucket, as a process of its own, so that the memory it takes can be told.

A process collects until there is no more, or until so many events were found, as if it were killed then. What it says at its end is one
line of JSON; the next one begins with the checkpoint of that.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# First of all: an agent says which memory Arrow takes before Arrow is there.
from agent.memory import give_back_freed_memory
from collector import registry
from collector.readings import Window

_MINUTE_US = 60_000_000
#: Ids up to so many are told.
_IDS_MAX = 1_000


def collected(
    settings: dict[str, Any], checkpoint: dict[str, Any], now_us: int, events_max: int | None = None
) -> dict[str, Any]:
    """What a process of its own finds behind a checkpoint; ``growth_bytes`` is by how much its memory grew at most."""
    given = json.dumps([settings, checkpoint, now_us, events_max])
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name],
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[4],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def digest(ids: Iterable[str]) -> str:
    """By which many ids in their order are compared."""
    digester = hashlib.blake2b()
    for name in ids:
        digester.update(name.encode() + b"\n")
    return digester.hexdigest()


def _peak_bytes() -> int:
    """The most memory that this process had so far (proc(5), VmHWM); what ``getrusage`` says begins with that of its parent."""
    told = Path("/proc/self/status").read_text().partition("VmHWM:")[2]
    return int(told.split()[0]) * 1024


def _collect(
    settings: dict[str, Any], checkpoint: dict[str, Any], now_us: int, events_max: int | None
) -> dict[str, Any]:
    plugin = registry.plugin("s3")
    (collector,) = plugin.build(plugin.config.model_validate({"kind": "s3", **settings})).current()
    digester, told = hashlib.blake2b(), dict[str, Any](events=0, collections=0, ids=[], checkpoint_bytes=0, reasons=[])
    before = _peak_bytes()
    more = True
    while more and (events_max is None or told["events"] < events_max):
        readings = collector.collect(Window(now_us, now_us + _MINUTE_US), checkpoint)
        more, checkpoint, now_us = readings.more, dict(readings.checkpoint), now_us + _MINUTE_US
        ids = readings.events["id"].to_pylist()
        told["ids"] = [*told["ids"], *ids][:_IDS_MAX]
        for name in ids:
            digester.update(name.encode() + b"\n")
        told["events"] += len(ids)
        told["collections"] += 1
        told["checkpoint_bytes"] = max(told["checkpoint_bytes"], len(json.dumps(checkpoint)))
        told["reasons"] += [record.reason for record in readings.coverage if record.status != "complete"]
        told["reasons"] += [f"{letter.place} {letter.reason}" for letter in readings.dead_letters]
    growth = _peak_bytes() - before
    collector.close()
    return {
        **told,
        "more": more,
        "digest": digester.hexdigest(),
        "growth_bytes": growth,
        "checkpoint": checkpoint,
        "now_us": now_us,
    }


if __name__ == "__main__":
    give_back_freed_memory(in_bulk=True)
    print(json.dumps(_collect(*json.load(sys.stdin))))
