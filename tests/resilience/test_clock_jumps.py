"""The clock is set: by moments and by a day, both ways, also while a source is being read.

No moment is told of twice and none is left out, no sample has the time of another, and counters add up to the truth. While the
clock is behind what was told of, nothing is read, and everybody can see why.
"""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from meterbook.wire import instants
from tests.e2e.spine import meter
from tests.kill.programs import wait_for
from tests.resilience import book
from tests.resilience.exporters import METRIC, TENANT, exporter
from tests.resilience.stage import INTERVAL_S, PATIENCE_S, Stage, Usage
from tests.resilience.usagelog import EVENT_TYPE, UsageLog
from tests.resilience.virtualagent import COUNTED, Meters, VirtualAgent

pytestmark = [pytest.mark.resilience, pytest.mark.timeout(600)]

HOUR_US, SECOND = instants.HOUR_US, instants.SECOND_US
#: By how much a clock is set: what is drawn more often stands there more often.
JUMPS_S = [-3_600, 3_600, 86_400, -86_400, -600, 600, -20, 20, -2, 2, -0.05, 0.05, -1_200, 45]
CLOCKS = 4
REASON = "tick missed: the clock went back"


def run_under_jumps(agent: VirtualAgent, meters: Meters, random: Random, until_us: int) -> int:
    """Half a day of truth and more, during which the clock is set every half an hour or so; how often it was set back."""
    back = 0

    def jump() -> None:
        nonlocal back
        by_us = round(random.choice(JUMPS_S) * SECOND)
        if abs(agent.ahead_us + by_us) > 26 * HOUR_US:
            by_us = -agent.ahead_us
        agent.ahead_us += by_us
        meters.ahead_us = agent.ahead_us
        back += by_us < 0

    def jump_once() -> None:
        meters.meanwhile = lambda: None
        jump()

    while agent.true_us < until_us:
        agent.run(min(until_us, agent.true_us + round(random.expovariate(1 / 1_800) * SECOND)))
        if random.random() < 0.5:
            meters.meanwhile = jump_once
        else:
            jump()
    # In the end somebody sets it right, and more than a day later all is told that there is to tell.
    meters.meanwhile = lambda: None
    agent.ahead_us = meters.ahead_us = 0
    agent.run(until_us + 27 * HOUR_US)
    return back


def test_jumps_at_random(tmp_path: Path, memory: Path) -> None:
    seed = int(os.environ.get("RESILIENCE_SEED", "192"))
    print(f"RESILIENCE_SEED={seed}")
    begin_us = instants.now_us() - 72 * HOUR_US
    with Stage(tmp_path, []) as stage:
        stage.begin(stage.ledger)
        made = meter("counted", "increase", metric=COUNTED)
        made["spec"]["group_by"] = ["of"]
        stage.define(made)
        expected: dict[str, int] = {}
        back: dict[str, int] = {}
        for number in range(CLOCKS):
            meters = Meters(f"{number}", begin_us - HOUR_US, counters=1, gauges=1, seed=number)
            agent = VirtualAgent(memory, [(lambda meters=meters: meters, 60.0)], begin_us, name=f"edge-{number}")  # type: ignore[misc]
            agent.start()
            back[meters.source] = run_under_jumps(agent, meters, Random(f"{seed}/{number}"), begin_us + 12 * HOUR_US)
            agent.connect(stage.port)
            wait_for("everything is sent", lambda agent=agent: agent.spool.sizes().batches == 0, PATIENCE_S)  # type: ignore[misc]
            agent.stop()
            expected[meters.source] = meters.counts[-1] - meters.counts[0]
        found = book.batches(stage.book, tmp_path / "copy")
        book.check_order(found)
        book.check_samples_once(found)
        for source, records in book.coverage(found).items():
            book.check_tiled(records)
            assert records[0].start_us == begin_us
            assert back[source] > 3
            # Steps of less than an interval are no gap; of the others each wait is told once.
            assert any(each.reason == REASON for each in records)
            assert {each.status for each in records} == {"complete", "partial"}

        def counted() -> Usage:
            rows = stage.ask("usage", "--meter", "counted")["rows"]
            assert not any(row["tenant"] != TENANT for row in rows)
            return {(_of(row), TENANT): Decimal(row["quantity"]) for row in rows}

        wanted = {(source, TENANT): Decimal(count) for source, count in expected.items()}
        wait_for("the tables are there", lambda: len(counted()) == CLOCKS, PATIENCE_S)
        assert counted() == wanted
        assert stage.ask("dead-letters")["rows"] == []


def _of(row: dict[str, Any]) -> str:
    return next(
        source for source in (f"meters/{number}" for number in range(CLOCKS)) if source in str(row["dimensions"])
    )


def test_a_running_agent_whose_clock_is_set(tmp_path: Path) -> None:
    ahead = tmp_path / "ahead"

    def set_clock(seconds: float) -> None:
        fresh = tmp_path / "ahead.fresh"
        fresh.write_text(str(seconds))
        fresh.replace(ahead)

    def under_skew(command: list[str]) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("skewed.py")), str(ahead), *command[1:]]

    with exporter(Random(5)) as work:
        log = UsageLog(tmp_path / "log" / "usage.log")
        sources: list[dict[str, Any]] = [
            {
                "kind": "prometheus",
                "job": "work",
                "targets": [work.address],
                "interval_s": INTERVAL_S,
                "timeout_s": 0.2,
            },
            {"kind": "logfile", "name": "logfile/program", "path": str(log.path), "interval_s": INTERVAL_S},
        ]
        names = ("logfile/program", f"prometheus/work/{work.address}")
        set_clock(0)
        with Stage(tmp_path, sources, agent_command=under_skew) as stage:
            stage.start(meter("work", "increase", metric=METRIC), meter("events", "count", event=EVENT_TYPE))
            stage.drain(*names)
            work.restart()
            work.begin()
            for seconds in (-3_600.0, -30.0):
                log.write(3)
                set_clock(seconds)
                wait_for("the agent says so", lambda: "the clock is" in stage.not_ready(), PATIENCE_S)
                missed = stage.metric("ticks_missed_total", f'{{source="{names[0]}"}}')
                wait_for(
                    "it goes on to tick",
                    lambda missed=missed: stage.metric("ticks_missed_total", f'{{source="{names[0]}"}}') > missed + 2,  # type: ignore[misc]
                    PATIENCE_S,
                )
                log.write(3)
                set_clock(0)
                wait_for("all is well", stage.agent.works, PATIENCE_S)
                stage.drain(*names)
            for seconds in (2.0, 0.0, 0.3, 0.0, 1_800.0):
                set_clock(seconds)
                log.write(3)
                wait_for("all is well", stage.agent.works, PATIENCE_S)
                stage.drain(*names)
            work.stop()
            stage.drain(*names)
            expected = {("work", TENANT): work.total, ("events", TENANT): Decimal(len(log.events))}
            # Some of it stands in an hour that has not begun.
            until = instants.text(instants.now_us() + 2 * HOUR_US)
            assert stage.settled_usage(lambda: expected, "--to", until) == expected
            found = book.batches(stage.book, tmp_path / "copy")
            book.check_order(found)
            book.check_samples_once(found)
            told = book.coverage(found)
            for name in names:
                book.check_tiled(told[name])
            assert any(each.reason == REASON for each in told[names[1]])
            assert {each.status for each in told[names[0]]} == {"complete"}
