"""Ticks lie on the grid, and every tick that does not happen is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import coverage
from agent import schedule as schedule_module
from agent.rules import TagsConfig, ready
from agent.runner import Lane
from agent.schedule import Schedule, due_us, shift_us
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.tagger import Tagger
from collector.readings import Checkpoint, Readings, Window
from meterbook.wire import instants
from tests.fakes.source import ScriptedCollector, complete

Wait = Callable[[Callable[[], bool]], None]


@given(st.text(max_size=20), st.integers(1, 86_400_000_000))
def test_the_shift_is_small_and_always_the_same(source: str, interval_us: int) -> None:
    shift = shift_us(source, interval_us)
    assert 0 <= shift <= interval_us * 0.1
    assert shift == shift_us(source, interval_us)


def test_a_narrow_schedule_runs_one_collection_at_a_time(spool: Spool, eventually: Wait) -> None:
    running, most, done = 0, 0, 0
    lock = threading.Lock()
    may_end = threading.Event()

    def slowly(window: Window, checkpoint: Checkpoint) -> Readings:
        nonlocal running, most, done
        with lock:
            running += 1
            most = max(most, running)
        may_end.wait(0.05)
        with lock:
            running -= 1
            done += 1
        return plain(window, checkpoint)

    made = Schedule(8)
    made.narrow(True)
    for number in range(4):
        collector = ScriptedCollector(slowly, source=f"fake/{number}")
        made.add(lane(spool, collector, 0.1), 0.1)
    made.start()
    eventually(lambda: done > 8)
    assert most == 1
    made.narrow(False)
    eventually(lambda: most > 1)
    may_end.set()
    made.stop()


def test_sources_are_shifted_apart() -> None:
    assert len({shift_us(f"fake/{number}", 15 * instants.SECOND_US) for number in range(100)}) > 90


@given(st.text(max_size=20), st.integers(100_000, 86_400_000_000), st.integers(0, 4_000_000_000_000_000))
def test_the_latest_tick_is_on_the_grid_and_not_before_the_last_interval(
    source: str, interval_us: int, now_us: int
) -> None:
    due = due_us(source, interval_us, now_us)
    assert (due - shift_us(source, interval_us)) % interval_us == 0
    # A scheduler that is early by microseconds does not tick for the tick before.
    assert now_us - interval_us < due - 1_000 <= now_us
    assert due_us(source, interval_us, due - 5) == due_us(source, interval_us, due + interval_us - 2_000) == due


def lane(spool: Spool, collector: ScriptedCollector, interval_s: float, metrics: SelfMetrics | None = None) -> Lane:
    return Lane(
        collector,
        interval_us=round(interval_s * instants.SECOND_US),
        tagger=Tagger(ready(TagsConfig())),
        spool=spool,
        metrics=metrics or SelfMetrics(),
    )


def plain(window: Window, checkpoint: Checkpoint) -> Readings:
    return Readings((complete("fake/one", window),))


def ticking(lane: Lane, interval_s: float, *, threads_max: int) -> Schedule:
    schedule = Schedule(threads_max)
    schedule.add(lane, interval_s)
    return schedule


@pytest.mark.parametrize("interval_s", [0.25, 1, 15, 3_600, 7.5])
def test_ticks_lie_on_the_grid(spool: Spool, interval_s: float) -> None:
    schedule = ticking(lane(spool, ScriptedCollector(plain), interval_s), interval_s, threads_max=4)
    schedule.start()
    job = schedule._scheduler.get_job("fake/one")
    due_us = instants.from_datetime(job.next_run_time)
    schedule.stop()
    interval_us = round(interval_s * instants.SECOND_US)
    # The scheduler counts in floating-point seconds: to the microsecond, give or take.
    beside_us = (due_us - shift_us("fake/one", interval_us) + 5) % interval_us
    assert beside_us <= 10


def test_ticks_go_on(spool: Spool, eventually: Wait) -> None:
    collector = ScriptedCollector(plain)
    schedule = ticking(lane(spool, collector, 0.1), 0.1, threads_max=4)
    schedule.start()
    eventually(lambda: len(collector.windows) >= 3)
    schedule.stop()


def test_what_is_read_is_of_the_moment_at_which_it_was_due(spool: Spool, eventually: Wait) -> None:
    collector = ScriptedCollector(plain)
    schedule = ticking(lane(spool, collector, 0.2), 0.2, threads_max=4)
    shift = shift_us("fake/one", 200_000)
    schedule.start()
    # One that a busy machine begins late is of the moment at which it began.
    eventually(lambda: sum((window.end_us - shift) % 200_000 == 0 for window in collector.windows) >= 3)
    schedule.stop()


def test_ticks_go_on_when_the_clock_goes_back(
    spool: Spool, eventually: Wait, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schedule_module, "CLOCK_INTERVAL_S", 0.02)
    collector = ScriptedCollector(plain)
    schedule = ticking(lane(spool, collector, 0.1), 0.1, threads_max=4)
    schedule.start()
    eventually(lambda: len(collector.windows) >= 1)
    assert "the clock went back" not in caplog.text
    # As after an hour back, however often the clock was set before that: the next tick is an hour away.
    job = schedule._scheduler.get_job("fake/one")
    job.modify(next_run_time=datetime.now(UTC) + timedelta(hours=1))
    before = len(collector.windows)
    eventually(lambda: len(collector.windows) >= before + 3)
    assert "the clock went back by 3599" in caplog.text
    schedule.stop()


def test_a_tick_during_a_collection_is_told(spool: Spool, eventually: Wait) -> None:
    may_go = threading.Event()

    def slow(window: Window, checkpoint: Checkpoint) -> Readings:
        may_go.wait(30)
        return plain(window, checkpoint)

    collector = ScriptedCollector(slow)
    held = lane(spool, collector, 0.1)
    schedule = ticking(held, 0.1, threads_max=1)
    schedule.start()
    eventually(lambda: held._gap == coverage.STILL_RUNNING)
    assert len(collector.windows) == 1
    may_go.set()
    schedule.stop()


def test_ticks_that_pass_while_the_process_stands_still_are_counted(spool: Spool, eventually: Wait) -> None:
    collector, metrics = ScriptedCollector(plain), SelfMetrics()
    schedule = ticking(lane(spool, collector, 0.1, metrics), 0.1, threads_max=4)

    def missed() -> float:
        return metrics.registry.get_sample_value("meterbook_agent_ticks_missed_total", {"source": "fake/one"}) or 0.0

    schedule.start()
    eventually(lambda: len(collector.windows) >= 2)
    schedule._scheduler.pause()
    before, missed_before = len(collector.windows), missed()
    threading.Event().wait(1.5)
    schedule._scheduler.resume()
    eventually(lambda: len(collector.windows) > before + 1)
    schedule.stop()
    # Fourteen or fifteen were due meanwhile, and one of them, the last, is made good.
    assert missed() - missed_before >= 13
    begin_us, end_us = collector.windows[0].end_us, collector.windows[-1].end_us
    assert abs((end_us - begin_us) / 100_000 + 1 - len(collector.windows) - missed()) <= 2


def test_stopping_waits_for_the_collection_under_way(spool: Spool, eventually: Wait) -> None:
    done: list[bool] = []
    begun = threading.Event()

    def slow(window: Window, checkpoint: Checkpoint) -> Readings:
        begun.set()
        threading.Event().wait(0.3)
        done.append(True)
        return plain(window, checkpoint)

    schedule = ticking(lane(spool, ScriptedCollector(slow), 0.2), 0.2, threads_max=1)
    schedule.start()
    eventually(begun.is_set)
    schedule.stop()
    assert done
    assert spool.sizes().batches >= 1


def test_a_schedule_that_never_started_can_stop(spool: Spool) -> None:
    ticking(lane(spool, ScriptedCollector(plain), 1), 1, threads_max=1).stop()
