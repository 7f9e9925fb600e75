"""What finds no room in the spool, by bytes of the disk or by age; and what a ledger has lost, told source by source."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.coverage import coverage_table
from agent.errors import SpoolFull
from agent.rules import TagsConfig, ready
from agent.spool import Spool
from agent.spool.file import DISK_RESERVE_BYTES
from agent.spool.sealing import unsealed
from agent.tagger import Tagger
from collector.readings import Coverage, Window
from meterbook.wire import instants
from meterbook.wire.seal import GENESIS
from meterbook.wire.sections import sections
from meterbook.wire.series import Series
from tests.fakes.source import counter, readings

START_US = 1_767_225_600_000_000
ONE, TWO = counter("calls_total", team="blue"), counter("calls_total", team="red")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.spool"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], Spool]]:
    """Opens the spool, closing the one opened before."""
    open_now: list[Spool] = []

    def open_it() -> Spool:
        while open_now:
            open_now.pop().close()
        open_now.append(Spool(path, agent="edge-1", bytes_max=1 << 30, clock=lambda: START_US))
        return open_now[0]

    yield open_it
    while open_now:
        open_now.pop().close()


def store(spool: Spool, *shown: Series) -> None:
    """A sample of each series."""
    window = Window(START_US - 1_000_000, START_US)
    found = readings(window, dict.fromkeys(shown, 1.0))
    series = Tagger(ready(TagsConfig())).tag(found, window).series
    spool.append(sections(samples=found.samples), series, source="fake/one", checkpoint={}, window_end_us=START_US)


def test_the_disk_is_never_filled_to_its_last_byte(
    opened: Callable[[], Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened()
    for _ in range(50):
        store(spool, *(counter(f"m{number}") for number in range(100)))
    free = {"bytes": DISK_RESERVE_BYTES}
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=free["bytes"], f_frsize=1))
    with pytest.raises(SpoolFull, match=f"the disk has no room for more, {DISK_RESERVE_BYTES} bytes are free"):
        store(spool, ONE)
    for batch in spool.after(0, 50):
        spool.acknowledge(batch.sequence, batch.hash)
    store(spool, ONE)  # in the place of what has gone
    free["bytes"] = 0
    with pytest.raises(SpoolFull, match="the disk has no room"):
        store(spool, TWO)


def test_a_spool_that_has_waited_too_long_is_full(path: Path) -> None:
    now = {"us": START_US}
    spool = Spool(path, agent="edge-1", bytes_max=1 << 30, age_max_s=60, clock=lambda: now["us"])
    store(spool, ONE)
    now["us"] += 60_000_000
    store(spool, TWO)
    now["us"] += 1
    with pytest.raises(SpoolFull, match="more than age_max_s 60"):
        store(spool, TWO)
    first = spool.after(0, 1)[0]
    spool.acknowledge(1, first.hash)
    store(spool, TWO)
    spool.close()


def test_a_loss_is_told_source_by_source(opened: Callable[[], Spool]) -> None:
    spool = opened()
    for number in range(6):
        source = f"fake/{number % 2}"
        told = coverage_table([Coverage(source, START_US + number * 10, START_US + (number + 2) * 10, "complete")])
        spool.append(sections(coverage=told), source=source, checkpoint={}, window_end_us=number)
    batches = spool.after(0, 10)
    spool.acknowledge(5, batches[4].hash)
    spool = opened()
    assert spool.resume(1, batches[0].hash) is not None
    lost = [row for batch in spool.after(0, 1) for row in unsealed(batch).coverage.to_pylist()]
    spans = [
        (row["source"], *(instants.from_datetime(row[name]) - START_US for name in ("start", "end"))) for row in lost
    ]
    assert spans == [("fake/0", 20, 60), ("fake/1", 10, 50)]
    assert {row["status"] for row in lost} == {"lost"}
    assert unsealed(spool.after(1, 1)[0]).coverage["source"].to_pylist() == ["fake/1"]


def test_a_spool_from_before_losses_were_told_by_source(opened: Callable[[], Spool], path: Path) -> None:
    spool = opened()
    store(spool, ONE)
    store(spool, TWO)
    batch = spool.after(0, 1)[0]
    spool.acknowledge(1, batch.hash)
    spool.close()
    with closing(sqlite3.connect(path)) as file:
        for name in ("batches", "acknowledged"):
            file.execute(f"ALTER TABLE {name} DROP COLUMN accounts")
        file.commit()
    spool = opened()
    (left,) = spool.after(0, 10)
    spool.acknowledge(2, left.hash)
    assert spool.resume(0, GENESIS) is not None
    assert unsealed(spool.after(0, 1)[0]).coverage["source"].to_pylist() == ["agent/edge-1"]
