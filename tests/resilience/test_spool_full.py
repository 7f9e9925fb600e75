"""The spool is full, by bytes or by age: what is refused is a ``lost`` record of exactly the time that is missing.

The one policy is ``when_full: refuse_new``. Counters lose nothing, as their source still counts; a log loses nothing but what was
rotated away meanwhile, and says so; of gauges there is no sample in the time that is told as lost, and every one outside it.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from meterbook.wire import instants
from tests.e2e.spine import meter
from tests.kill.programs import wait_for
from tests.resilience import book
from tests.resilience.book import Seen
from tests.resilience.exporters import TENANT
from tests.resilience.stage import PATIENCE_S, Stage, Usage
from tests.resilience.usagelog import EVENT_TYPE, UsageLog, Written
from tests.resilience.virtualagent import AGENT, COUNTED, LEVEL, Meters, VirtualAgent, log_maker

pytestmark = [pytest.mark.resilience, pytest.mark.timeout(600)]

HOUR_US, MINUTE_US = instants.HOUR_US, 60 * instants.SECOND_US
INTERVAL_S, MAX_GAP_S = 15.0, 300
INTERVAL_US = round(INTERVAL_S * instants.SECOND_US)
LOG = "logfile/program"
LIMITS = {"bytes": {"bytes_max": 1 << 20}, "age": {"age_max_s": 3_600.0}}


class Scene:
    """Six hours without a ledger, of which the spool holds but the first."""

    def __init__(self, folder: Path, memory: Path, **limits: float) -> None:
        self.begin_us = instants.now_us() - 8 * HOUR_US
        self.meters = Meters("one", self.begin_us - HOUR_US, counters=10, gauges=150, seed=3)
        self.log = UsageLog(folder / "log" / "usage.log")
        sources = [(lambda: self.meters, INTERVAL_S), (log_maker(self.log.path), INTERVAL_S)]
        self.agent = VirtualAgent(memory, sources, self.begin_us, **limits)  # type: ignore[arg-type]
        self._written = 0

    def work(self, now_us: int) -> None:
        """An event every minute."""
        if self._written < (now_us - self.begin_us) // MINUTE_US:
            self._written += 1
            self.log.write(1, at_us=now_us - 1)

    def run(self, hours: float) -> None:
        """So many hours after the beginning."""
        self.agent.run(self.begin_us + round(hours * HOUR_US), self.work)

    def go_on(self, hours: int, until_hours: int) -> None:
        """From one hour to another, with all that is collected delivered: an hour at once could fill the spool anew."""
        for tenths in range(10 * hours + 1, 10 * until_hours + 1):
            self.run(tenths / 10)
            self.deliver()

    def deliver(self) -> None:
        wait_for("everything is sent", lambda: self.agent.spool.sizes().batches == 0, PATIENCE_S)


def lost(records: list[Seen]) -> Seen:
    """The one record of a loss."""
    (found,) = [each for each in records if each.status == "lost"]
    return found


def check_meters(meters: Meters, found: list[book.Batch]) -> Seen:
    """The loss of the meters is exactly the time without samples."""
    told = book.coverage(found)[meters.source]
    book.check_tiled(told)
    gap = lost(told)
    assert gap.reason == "spool full"
    assert {each.status for each in told} == {"complete", "lost"}
    # What the last look before the end of the gap watched is the interval before it.
    kept = [look for look in meters.looks_us if not gap.start_us < look <= gap.end_us]
    assert book.check_samples_once(found) == 160 * len(kept)
    assert sorted(each.end_us for each in told if each.status == "complete") == kept
    assert gap.start_us in kept
    assert gap.end_us + INTERVAL_US in kept
    return gap


def integral(meters: Meters, gap: Seen) -> Decimal:
    """Value x seconds of the first gauge, each held until the next that was kept, and over the gap for max_gap_s."""
    kept = [look for look in meters.looks_us if not gap.start_us < look <= gap.end_us]
    total = 0
    for before, after in pairwise(kept):
        total += meters.levels[before] * min(after - before, MAX_GAP_S * instants.SECOND_US)
    return (Decimal(total) / instants.SECOND_US).quantize(Decimal("1e-9"))


def meters_of(scene: Scene) -> list[dict[str, object]]:
    counted, level = meter("counted", "increase", metric=COUNTED), meter("level", "integral", metric=LEVEL)
    level["spec"]["max_gap_s"] = MAX_GAP_S
    return [counted, level, meter("events", "count", event=EVENT_TYPE)]


@pytest.mark.parametrize("limit", LIMITS)
def test_what_is_refused_is_told_as_lost(tmp_path: Path, memory: Path, limit: str) -> None:
    scene = Scene(tmp_path, memory, **LIMITS[limit])
    scene.agent.start()
    scene.run(3.5)
    (problem, _) = (lane.problem for lane, _, _ in scene.agent._lanes)
    assert re.search(r"more would exceed bytes_max|more than age_max_s 3600", str(problem))
    held = scene.agent.spool.sizes()
    assert held.bytes <= LIMITS["bytes"]["bytes_max"] or limit == "age"
    # The reason is remembered by whoever is started while it is full; and a log is rotated before it could be read.
    scene.agent.stop()
    scene.agent.start()
    scene.run(4)
    assert scene.agent.spool.sizes().sequence == held.sequence
    with Stage(tmp_path, []) as stage:
        stage.begin(stage.ledger)
        stage.define(*meters_of(scene))
        scene.agent.connect(stage.port)
        scene.deliver()
        scene.go_on(4, 5)
        found = book.batches(stage.book, tmp_path / "copy")
        book.check_order(found)
        gap = check_meters(scene.meters, found)
        assert gap.end_us - gap.start_us > 2 * HOUR_US
        log_told = book.coverage(found)[LOG]
        book.check_tiled(log_told)
        assert {each.status for each in log_told} == {"complete"}

        def expected() -> Usage:
            counted = Decimal(scene.meters.looks_us[-1] - scene.meters.looks_us[0])
            return {
                ("counted", TENANT): counted,
                ("level", TENANT): integral(scene.meters, gap),
                ("events", TENANT): Decimal(len(scene.log.events)),
            }

        assert stage.settled_usage(expected, more={"counted", "level"}) == expected()
    scene.agent.stop()


def test_a_log_that_is_rotated_away_while_the_spool_is_full(tmp_path: Path, memory: Path) -> None:
    scene = Scene(tmp_path, memory, **LIMITS["bytes"])
    scene.agent.start()
    scene.run(3)
    # Nobody holds the file any more when it goes.
    scene.agent.stop()
    read = events_read(memory / f"{AGENT}.spool")
    scene.log.rotate()
    scene.log.path.with_suffix(".log.1").unlink()
    scene.agent.start()
    missing = scene.log.events[read:]
    scene.run(4)
    with Stage(tmp_path, []) as stage:
        stage.begin(stage.ledger)
        stage.define(*meters_of(scene))
        scene.agent.connect(stage.port)
        scene.deliver()
        scene.go_on(4, 5)
        found = book.batches(stage.book, tmp_path / "copy")
        told = book.coverage(found)[LOG]
        book.check_tiled(told)
        check_missing(found, missing, lost(told))
        expected = {("events", TENANT): Decimal(len(scene.log.events) - len(missing))}
        assert stage.settled_usage(lambda: expected, more={"counted", "level"}) == expected
    scene.agent.stop()


def events_read(spool: Path) -> int:
    """How many events the spool has, as its own file says."""
    with closing(sqlite3.connect(spool)) as file:
        (count,) = file.execute("SELECT sum(events_count) FROM batches").fetchone()
    return int(count)


def check_missing(found: list[book.Batch], missing: list[Written], gap: Seen) -> None:
    """What is missing was written in the time that is told as lost."""
    ids = {event_id for batch in found for event_id in batch.content.events["id"].to_pylist()}
    assert not ids & {event.id for event in missing}
    assert all(gap.start_us <= event.at_us <= gap.end_us for event in missing)
