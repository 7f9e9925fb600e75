"""The parts that ``bench.usage`` measures, each in a process of its own, so that none has the memory or the caches of another.

python -m bench._usageparts PART STORE [ARGUMENT]
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench._month import END_US, START_US, Month, compact
from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.journal.derive import TABLES
from ledger.journal.journal import Journal
from ledger.journal.memory import keep_freed_memory
from ledger.journal.quantity import NANO
from ledger.journal.samples import between
from ledger.journal.tables import Tables
from ledger.journal.view import View
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.metering.cluster import Cluster
from ledger.metering.measure import measure
from tests.servers.sail import SailServer

_QUESTIONS = 300
_EVENTS_AT_ONCE, _USERS = 1_000_000, 1_000_000
_UNIQUE = {"source": {"event": "login"}, "aggregation": "unique", "of": "user", "unit": "users", "window": "month"}


def increase(root: Path, total: str) -> dict[str, Any]:
    """What every tenant used in every hour of the month, from raw samples."""
    journal = Journal(root)
    view = journal.view()
    (meter,) = (each.spec for each in catalog_of(view).versions("meter", "requests"))
    assert isinstance(meter, Meter)
    began_s = time.perf_counter()
    found = measure(view, meter, START_US, END_US)
    took_s = time.perf_counter() - began_s
    peak_mib = _peak_mib()
    assert sum(amount.quantity for amount in found.values()) == int(total) * NANO
    del view
    journal.close()
    return {"seconds": round(took_s, 2), "mib": peak_mib, "cells": len(found)}


def cluster(root: Path) -> dict[str, Any]:
    """The same on a cluster of two workers that speaks Spark Connect, beside the ledger on the same cores."""
    with SailServer() as server:
        journal = Journal(root)
        view = journal.view()
        (meter,) = (each.spec for each in catalog_of(view).versions("meter", "requests"))
        assert isinstance(meter, Meter)
        helped = Cluster(journal.place, server.remote, tasks=8, rows_min=0)
        began_s = time.perf_counter()
        found = helped.measure(view, meter, START_US, END_US)
        took_s = time.perf_counter() - began_s
        is_same = found == measure(view, meter, START_US, END_US)
        del view
        journal.close()
    return {"seconds": round(took_s, 2), "is_same": is_same, "cells": len(found)}


def scan(root: Path) -> dict[str, Any]:
    """Reading what it is computed from, and doing nothing with it."""
    tables = Tables(root / "tables")
    view = View(tables.snapshot(), tables.watermark, END_US)
    began_s = time.perf_counter()
    rows = sum(part.num_rows for part in between(view, None, START_US, END_US))
    return {"seconds": round(time.perf_counter() - began_s, 2), "rows": rows}


def book(root: Path, total: str) -> dict[str, Any]:
    """Booking all there is."""
    journal = Journal(root)
    began_s = time.perf_counter()
    _, entries = Booker(journal).book()
    took_s = time.perf_counter() - began_s
    view = journal.view()
    booked = view.booked("requests", START_US, END_US)["quantity"].to_pylist()
    assert sum(booked) == int(total)
    del view
    journal.close()
    compact(root)
    return {"seconds": round(took_s, 2), "mib": _peak_mib(), "entries": entries}


def hour(root: Path) -> dict[str, Any]:
    """The same where only an hour is new."""
    journal = Journal(root)
    began_s = time.perf_counter()
    _, entries = Booker(journal).book()
    took_s = time.perf_counter() - began_s
    journal.close()
    return {"seconds": round(took_s, 2), "entries": entries}


def month(root: Path, behind: str) -> dict[str, Any]:
    """What one tenant used in the month, from its entries, with many samples behind them."""
    _multiply(root, int(behind))
    journal = Journal(root)
    took_ms = []
    for _ in range(_QUESTIONS):
        tenant = f"tenant-{random.randrange(Month(0).tenants):03}"
        began_s = time.perf_counter()
        view = journal.view()
        (row,) = usage(view, catalog_of(view), START_US, END_US, meters=["requests"], tenants=[tenant])
        took_ms.append((time.perf_counter() - began_s) * 1_000)
        assert row.quantity > 0
        del view
    samples = journal.view().count("samples")
    journal.close()
    return {"p50_ms": _percentile(took_ms, 50), "p99_ms": _percentile(took_ms, 99), "samples": samples}


def _multiply(root: Path, samples: int) -> None:
    """The same files again and again, at the positions that were booked already, until there are so many samples."""
    tables = Tables(root / "tables")
    listed = tables.query("SELECT data_file AS file FROM ducklake_list_files('book', 'samples')")["file"].to_pylist()
    files = [_plain(Path(file)) for file in listed]
    there, copies = sum(rows for _, rows in files), 0
    while there < samples:
        for path, rows in files:
            copies += 1
            copy = path.with_name(f"copy-{copies}.parquet")
            os.link(path, copy)
            tables.apply({"samples": copy}, tables.watermark, tables.watermark)
            there += rows
    tables.close()


def _plain(path: Path) -> tuple[Path, int]:
    """The rows of a file, without what merging has written beside them, in another one; and how many there are."""
    names = TABLES["samples"].names
    table = pq.read_table(path, columns=names)
    plain = path.with_name(f"plain-{path.name}")
    pq.write_table(table, plain, compression="zstd")
    return plain, table.num_rows


def unique(root: Path, count: str) -> dict[str, Any]:
    """How many different users each tenant had, from events that were put into the tables at once."""
    root.mkdir()
    tables = Tables(root)
    rng = np.random.default_rng(7)
    for first in range(0, int(count), _EVENTS_AT_ONCE):
        tables.apply(
            {"events": _events(rng, first, min(_EVENTS_AT_ONCE, int(count) - first))}, first, first + _EVENTS_AT_ONCE
        )
    view = View(tables.snapshot(), tables.watermark, END_US)
    began_s = time.perf_counter()
    found = measure(view, Meter.model_validate(_UNIQUE), START_US, END_US)
    took_s = time.perf_counter() - began_s
    return {
        "seconds": round(took_s, 2),
        "mib": _peak_mib(),
        "users": sum(each.quantity for each in found.values()) // NANO,
    }


def _events(rng: np.random.Generator, first: int, count: int) -> pa.Table:
    users = rng.integers(0, _USERS, count)
    columns = {
        "origin": pa.array(["log"] * count),
        "source": pa.array(["shop"] * count),
        "id": pa.array(np.arange(first, first + count)).cast(pa.utf8()),
        "type": pa.array(["login"] * count),
        "subject": pa.array([""] * count),
        "tenant": pa.array([f"tenant-{number:03}" for number in range(200)]).take(pa.array(users % 200)),
        "time": pa.array(np.sort(rng.integers(START_US, END_US, count))).cast(pa.timestamp("us")),
        "value": pa.array(np.ones(count, np.int64)).cast(pa.decimal128(38, 9)),
        "properties": pa.array([f'{{"user":"{user}"}}' for user in users.tolist()]),
        "position": pa.array(np.full(count, first + _EVENTS_AT_ONCE)),
    }
    return pa.table(columns).select(TABLES["events"].names).cast(TABLES["events"])


def _percentile(values: list[float], percent: int) -> float:
    return round(sorted(values)[min(len(values) - 1, len(values) * percent // 100)], 1)


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


#: What can be measured.
PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    each.__name__: each for each in (increase, cluster, scan, book, hour, month, unique)
}

if __name__ == "__main__":
    # As the ledger's process does.
    keep_freed_memory()
    print(json.dumps(PARTS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])))
