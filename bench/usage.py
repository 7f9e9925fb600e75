"""Usage from a hundred million samples, and from the entries that were booked of them.

A month of counters is sent through the log into the tables of an embedded store. Then, each in a process of its own:

* *increase*: what every tenant used in every hour, from raw samples, coverage and all; median of five, with the peak of the memory;
* *cluster*: the same by way of Spark Connect, and whether it is the same to the last digit;
* *book*: the whole month is booked; *hour*: an hour more has come, and is booked;
* *month*: what one tenant used in the month, asked again and again while a billion samples lie behind it (``--behind``);
* *unique*: how many different users each tenant had, of fifty million events.

    python -m bench.usage [--samples 100000000] [--behind 1000000000] [--events 50000000] [--peers PYTHON]

polars and chdb compute the increase from the same Parquet files in the same run, where PYTHON has them installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench._figure import report
from bench._month import Month, add_hour, fill
from bench._usageparts import PARTS
from ledger.journal.tables import Tables

GOAL_S, GOAL_MIB, GOAL_MONTH_MS = 3.0, 512, 50.0
_ROUNDS = 5


def part(name: str, root: Path, *arguments: object) -> dict[str, Any]:
    """What one part measured, in a process of its own."""
    command = [sys.executable, "-m", "bench._usageparts", name, str(root), *map(str, arguments)]
    found = _told(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print(json.dumps({name: found}), flush=True)
    return found


def peer(python: str, engine: str, root: Path) -> object:
    """Seconds and MiB of another engine, or why there are none."""
    files, series = root / "tables" / "data" / "main" / "samples" / "*.parquet", root.parent / "series.parquet"
    command = [python, "-m", "bench._peerincrease", engine, str(files), str(series)]
    done = subprocess.run(command, check=False, capture_output=True)
    if done.returncode:
        return done.stderr.decode(errors="replace").strip().splitlines()[-1]
    return _told(done.stdout)


def _told(output: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def export_series(root: Path) -> None:
    """The definitions as a Parquet file, for the peers."""
    tables = Tables(root / "tables")
    table: pa.Table = tables.query("SELECT DISTINCT series_id, tenant FROM series")
    tables.close()
    pq.write_table(table, root.parent / "series.parquet")


def main() -> None:
    """Measure, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000_000)
    parser.add_argument("--behind", type=int, default=1_000_000_000)
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--peers", default=sys.executable, help="a Python that has polars and chdb-core")
    arguments = parser.parse_args()
    month = Month(arguments.samples)
    with tempfile.TemporaryDirectory(prefix="meterbook-bench-") as directory:
        root = Path(directory) / "store"
        total = fill(root, month)
        export_series(root)
        rounds = [part("increase", root, total) for _ in range(_ROUNDS)]
        peers = {engine: peer(arguments.peers, engine, root) for engine in ("polars", "chdb")}
        scan = part("scan", root)
        part("cluster", root)
        part("book", root, total)
        add_hour(root, month)
        part("hour", root)
        asked = part("month", root, arguments.behind)
        part("unique", Path(directory) / "events", arguments.events)
    seconds, peak_mib = (statistics.median(each[name] for each in rounds) for name in ("seconds", "mib"))
    report(
        f"increase per tenant and hour of {arguments.samples:,} samples, from raw",
        seconds,
        "s",
        goal=GOAL_S,
        met=seconds <= GOAL_S and peak_mib <= GOAL_MIB and asked["p99_ms"] < GOAL_MONTH_MS,
        peers=peers,
        limit={"reading the columns": scan, "mib": peak_mib, "month from entries, p99 ms": asked["p99_ms"]},
    )


if __name__ == "__main__":
    assert PARTS
    main()
