"""A month of usage in a store: counters that are read all month long, sent in sealed batches through the log into the tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ledger.journal.journal import Journal
from ledger.journal.record import Draft, Kind
from ledger.journal.tables import Tables
from ledger.query.applying import Applier
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import admin_pb2, journal_pb2
from meterbook.proof.leaf import agent_chain
from meterbook.wire.instants import DAY_US, HOUR_US, parse
from meterbook.wire.seal import GENESIS, ChainPlace, batch_hash
from meterbook.wire.sections import COVERAGE, SAMPLES, SERIES, Sections, encode, sections
from meterbook.wire.series import Series

AGENT, EPOCH = "bench", 1
START_US, END_US = parse("2026-03-01"), parse("2026-04-01")
DEFINITION = """\
kind: meter
name: requests
spec: {source: {metric: requests_total}, aggregation: increase, unit: requests, max_gap_s: 3600}
"""
_UNACKNOWLEDGED = 64
#: So many samples are committed at once. A month that comes while it passes is in small files, which are merged, by series; sent all at once it would be in
#: large ones that nobody merges.
_COMMITTED = 150_000


@dataclass(frozen=True)
class Month:
    """How many samples there are of how many series, and of how many sources and tenants those are."""

    samples: int
    series: int = 10_000
    sources: int = 100
    tenants: int = 200

    @property
    def readings(self) -> int:
        """Times that every series is read."""
        return self.samples // self.series

    @property
    def interval_us(self) -> int:
        """From one reading to the next."""
        return (END_US - START_US) // self.readings


def fill(root: Path, month: Month) -> int:
    """Make a store with the month in it. Gives the sum of all that the counters were increased by."""
    journal = Journal(root)
    try:
        Applier(journal).apply(
            admin_pb2.ApplyRequest(author="bench", manifests=[admin_pb2.Manifest(name="meters.yaml", text=DEFINITION)])
        )
        _send(journal, month, 0, month.readings, None)
        while not journal.materialiser.wait_for(journal.log.refresh(), 1.0):
            pass
    finally:
        journal.close()
    compact(root)
    return _increase(month)


def add_hour(root: Path, month: Month) -> None:
    """The readings of the hour after the month, sent as the ones before."""
    journal = Journal(root)
    try:
        heads = journal.view().heads()
        head = heads[agent_chain(AGENT, EPOCH)]
        _send(journal, month, month.readings, month.readings + HOUR_US // month.interval_us, (head.sequence, head.hash))
        journal.view()
    finally:
        journal.close()


def compact(root: Path) -> None:
    """Merge small files, as the ledger does all the while."""
    tables = Tables(root / "tables")
    while not tables.compact(0):
        pass
    tables.close()


def _send(journal: Journal, month: Month, first: int, end: int, head: tuple[int, bytes] | None) -> None:
    sequence, digest = head or (0, GENESIS)
    waiting = []
    for what in _batches(month, first, end, is_first=head is None):
        sequence += 1
        place = ChainPlace(AGENT, EPOCH, sequence, digest)
        batch = intake_pb2.Batch(
            sequence=sequence,
            previous_hash=digest,
            hash=batch_hash(place, what),
            **{name: encode(table) for name, table in what.tables().items()},
        )
        payload = journal_pb2.BatchRecord(agent=AGENT, epoch=EPOCH, batch=batch).SerializeToString()
        chain = agent_chain(AGENT, EPOCH)
        waiting.append(journal.append(Draft(Kind.BATCH, chain, sequence, digest, batch.hash, payload)))
        digest = batch.hash
        if len(waiting) > _UNACKNOWLEDGED:
            waiting.pop(0).result()
        if sequence * month.series % _COMMITTED < month.series:
            while not journal.materialiser.wait_for(waiting[-1].result(), 1.0):
                pass
    for each in waiting:
        each.result()


def _increase(month: Month) -> int:
    """What the counters were increased by from the first reading to the last: what is read first only sets the level."""
    return int(sum(int(_steps(month, number).sum()) for number in range(1, month.readings)))


def _steps(month: Month, number: int) -> np.ndarray:
    """What nobody can foresee, the same every time that it is asked for."""
    return np.random.default_rng(number).integers(0, 1_000, month.series)


def _batches(month: Month, first: int, end: int, *, is_first: bool) -> Iterator[Sections]:
    series = [
        Series(
            f"node-{number % month.sources:03}", "requests_total", "counter", "", json.dumps({"pod": f"{number}"}), "{}"
        )
        for number in range(month.series)
    ]
    order = np.argsort([each.series_id for each in series])
    ids = np.array([series[place].series_id for place in order], np.int64)
    values = np.zeros(month.series)
    for number in range(first):
        values += _steps(month, number)
    for number in range(first, end):
        values = values + _steps(month, number)
        at_us = START_US + number * month.interval_us
        samples = pa.table(
            [ids, pa.array(np.full(len(ids), at_us)).cast(pa.timestamp("us")), values[order]], SAMPLES.names
        )
        covered = [
            {
                "source": f"node-{each:03}",
                "start": at_us - month.interval_us,
                "end": at_us,
                "status": "complete",
                "reason": "",
            }
            for each in range(month.sources)
        ]
        told = pa.Table.from_pylist(covered, schema=COVERAGE)
        defined = {"series": _defined(series, month)} if is_first and number == first else {}
        yield sections(samples=samples.cast(SAMPLES), coverage=told, **defined)


def _defined(series: list[Series], month: Month) -> pa.Table:
    rows = [
        {
            **{name: getattr(each, name) for name in ("series_id", "identity", "source", "metric", "kind", "unit")},
            "labels": each.labels,
            "attributes": each.attributes,
            "start": None,
            "tenant": f"tenant-{number % month.tenants:03}",
            "since": START_US - DAY_US,
        }
        for number, each in enumerate(series)
    ]
    return pa.Table.from_pylist(rows, schema=SERIES)
