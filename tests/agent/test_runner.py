"""Lanes: windows tile, gaps are told, and nothing that a collector does ends one."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import coverage
from agent.rules import TagsConfig, ready
from agent.runner import Lane
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.spool.sealing import unsealed
from agent.tagger import Tagger
from collector.errors import WriteRefused
from collector.readings import Checkpoint, Coverage, DeadLetter, Readings, Window, sample_table
from meterbook.wire import instants
from tests.fakes.source import ScriptedCollector, counter, events, readings

START_US = 1_767_225_600_000_000
SECOND = instants.SECOND_US
SERIES = counter("calls_total", team="blue")


class Bench:
    """A lane with a clock that the test moves, in seconds since the start."""

    def __init__(self, spool: Spool, collector: ScriptedCollector, interval_s: int = 15) -> None:
        self.spool, self.collector, self.interval_s = spool, collector, interval_s
        self.metrics = SelfMetrics()
        self.now_us = START_US
        self.restart()

    def restart(self) -> None:
        rules = ready(TagsConfig.model_validate({"rules": [{"from": "label:team"}, {"from": "subject"}]}))
        self.lane = Lane(
            self.collector,
            interval_us=self.interval_s * SECOND,
            tagger=Tagger(rules),
            spool=self.spool,
            metrics=self.metrics,
            clock=lambda: self.now_us,
        )

    def tick(self, at_s: float) -> None:
        self.now_us = START_US + int(at_s * SECOND)
        self.lane.tick()

    def told(self) -> list[tuple[float, float, str, str]]:
        """All coverage in the spool, in seconds since the start."""
        return [
            (
                (instants.from_datetime(row["start"]) - START_US) / SECOND,
                (instants.from_datetime(row["end"]) - START_US) / SECOND,
                row["status"],
                row["reason"],
            )
            for batch in self.spool.after(0, 10_000)
            for row in unsealed(batch).coverage.to_pylist()
        ]

    def count(self, name: str, **labels: str) -> float:
        return (
            self.metrics.registry.get_sample_value(f"meterbook_agent_{name}", {"source": "fake/one", **labels}) or 0.0
        )


def plain(window: Window, checkpoint: Checkpoint) -> Readings:
    return readings(window, {SERIES: 1.0}, checkpoint={"n": checkpoint.get("n", 0) + 1})


@pytest.fixture
def bench(spool: Spool) -> Bench:
    return Bench(spool, ScriptedCollector(plain))


def test_windows_begin_where_the_last_one_ended(bench: Bench) -> None:
    for at_s in (10, 25, 40):
        bench.tick(at_s)
    assert bench.told() == [(0, 10, "complete", ""), (10, 25, "complete", ""), (25, 40, "complete", "")]
    assert bench.spool.begin("fake/one", 0).checkpoint == {"n": 3}
    assert bench.count("collections_total", status="complete") == 3
    assert bench.count("samples_total") == 3
    assert bench.count("collection_seconds_count") == 3


def test_after_a_restart_the_time_in_between_is_partial(bench: Bench) -> None:
    bench.tick(10)
    bench.now_us += 3_000 * SECOND
    bench.restart()
    bench.tick(3_610)
    assert bench.told()[1:] == [(10, 3_595, "partial", "agent was not running"), (3_595, 3_610, "complete", "")]
    assert bench.collector.windows[-1] == Window(START_US + 10 * SECOND, START_US + 3_610 * SECOND)


def test_what_was_not_watched_is_counted_in_seconds(bench: Bench) -> None:
    bench.tick(10)
    assert bench.count("gap_seconds_total", status="partial") == 0
    bench.now_us += 3_000 * SECOND
    bench.restart()
    bench.tick(3_610)
    assert bench.count("gap_seconds_total", status="partial") == 3_595 - 10
    bench.tick(3_625)
    assert bench.count("gap_seconds_total", status="partial") == 3_595 - 10


def test_a_source_that_catches_up_has_no_gap(bench: Bench) -> None:
    bench.collector.catches_up = True
    bench.tick(10)
    bench.tick(3_610)
    assert bench.told() == [(0, 10, "complete", ""), (10, 3_610, "complete", "")]


@pytest.mark.parametrize("gap", [coverage.STILL_RUNNING, coverage.TICK_MISSED])
def test_missed_ticks_are_told(bench: Bench, gap: coverage.Gap) -> None:
    bench.tick(10)
    bench.lane.missed(gap)
    bench.tick(40)
    assert bench.told()[1:] == [(10, 25, "partial", gap.reason), (25, 40, "complete", "")]
    assert bench.count("ticks_missed_total") == 1
    bench.tick(70)
    assert bench.told()[3][2:] == ("partial", coverage.TICK_MISSED.reason)


def test_a_tick_missed_while_collecting_belongs_to_the_next_window(bench: Bench) -> None:
    bench.tick(10)

    def slow(window: Window, checkpoint: Checkpoint) -> Readings:
        bench.lane.missed(coverage.STILL_RUNNING)
        return plain(window, checkpoint)

    bench.collector.answer = slow
    bench.tick(25)
    bench.collector.answer = plain
    bench.tick(55)
    assert bench.told()[2:] == [
        (25, 40, "partial", "tick missed: collection still running"),
        (40, 55, "complete", ""),
    ]


def test_a_clock_that_goes_back_is_waited_for(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.tick(100)
    bench.tick(50)
    assert "the clock is 50.0 s behind" in caplog.text
    bench.tick(130)
    assert bench.told()[2:] == [(100, 115, "partial", "tick missed: the clock went back"), (115, 130, "complete", "")]


def test_a_window_in_which_the_clock_went_back_was_not_watched_throughout(bench: Bench) -> None:
    bench.tick(100)
    bench.tick(50)
    assert bench.lane.problem is not None
    assert "50.0 s behind" in bench.lane.problem
    bench.tick(101)
    bench.tick(116)
    assert bench.lane.problem is None
    assert bench.told()[2:] == [(100, 101, "partial", "tick missed: the clock went back"), (101, 116, "complete", "")]


def test_a_full_spool_is_a_lost_interval(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path / "small", agent="edge-1", bytes_max=6_000)
    bench = Bench(spool, ScriptedCollector(plain))
    lost = {"source": "fake/one", "status": "lost"}
    # What has never been lost is zero and not absent, so that the first loss is an increase.
    assert bench.metrics.registry.get_sample_value("meterbook_agent_collections_total", lost) == 0
    at_s = 0
    while bench.lane.problem is None:
        at_s += 15
        bench.tick(at_s)
    full_s = at_s - 15
    assert "is full" in bench.lane.problem
    for _ in range(3):
        at_s += 15
        bench.tick(at_s)
    assert caplog.text.count("nothing is stored") == 1
    assert bench.count("collections_total", status="lost") == 4
    checkpoint = spool.begin("fake/one", 0).checkpoint
    kept = spool.after(0, 1_000)
    spool.acknowledge(kept[-1].sequence, kept[-1].hash)
    bench.restart()  # the reason is remembered
    at_s += 15
    bench.tick(at_s)
    assert bench.lane.problem is None
    assert bench.told() == [(full_s, at_s - 15, "lost", "spool full"), (at_s - 15, at_s, "complete", "")]
    assert spool.begin("fake/one", 0).checkpoint == {"n": checkpoint["n"] + 1}
    spool.close()


def test_a_collection_is_of_the_moment_at_which_it_was_due(bench: Bench) -> None:
    def due(at_s: float, late_s: float) -> None:
        bench.now_us = START_US + int((at_s + late_s) * SECOND)
        bench.lane.tick(START_US + int(at_s * SECOND))

    due(15, 0.2)
    due(30, 3)
    due(45, 0)
    assert bench.told() == [(0, 15, "complete", ""), (15, 30, "complete", ""), (30, 45, "complete", "")]
    # What was told of already is not told of again.
    due(45, 1)
    assert bench.told()[3:] == []
    # Long after it was due it is another moment.
    due(60, 4)
    assert bench.told()[3:] == [(45, 64, "complete", "")]
    due(75, 0)
    assert bench.told()[4:] == [(64, 75, "complete", "")]


def test_more_is_asked_for_at_once(bench: Bench) -> None:
    left = [True, True, False]

    def answer(window: Window, checkpoint: Checkpoint) -> Readings:
        bench.now_us += 1
        return readings(window, {SERIES: 1.0}, more=left.pop(0))

    bench.collector.answer = answer
    bench.tick(10)
    assert len(bench.collector.windows) == 3
    assert all(before.end_us == after.start_us for before, after in pairwise(bench.collector.windows))


def test_a_lane_told_to_stop_leaves_the_rest(bench: Bench) -> None:
    def answer(window: Window, checkpoint: Checkpoint) -> Readings:
        bench.now_us += 1
        bench.lane.stop()
        return readings(window, {SERIES: 1.0}, more=True)

    bench.collector.answer = answer
    bench.tick(10)
    bench.tick(25)
    assert len(bench.collector.windows) == 1


def broken(window: Window, found: Readings) -> dict[str, Readings]:
    """Readings that no ledger would take."""
    half = Coverage("fake/one", window.start_us, window.end_us - 1, "complete")
    unsorted = sample_table([SERIES.series_id] * 2, [window.start_us, window.end_us], [1.0, 2.0])
    letter = DeadLetter("fake/one", "log:1", "odd \ud800", "")
    odd_status: Any = "fine"
    return {
        "coverage spans": replace(found, coverage=(half,)),
        "coverage spans nothing": replace(found, coverage=()),
        "coverage status 'fine'": replace(found, coverage=(replace(half, status=odd_status),)),
        "samples are not sorted": replace(found, samples=unsorted.take([1, 0])),
        "samples of 1 series that are not defined": replace(found, samples=sample_table([7], [window.end_us], [1.0])),
        "samples have the columns": replace(found, samples=found.samples.rename_columns(["a", "b", "c"])),
        "events have the columns": replace(found, events=found.samples),
        "TypeError: Object of type set": replace(found, checkpoint={"n": {1}}),
        "UnicodeEncodeError": replace(found, dead_letters=(letter,)),
    }


FAULTS = list(broken(Window(0, 2), readings(Window(0, 2), {SERIES: 1.0})))


@pytest.mark.parametrize("fault", FAULTS)
def test_readings_that_break_the_contract_cost_one_collection(bench: Bench, fault: str) -> None:
    bench.tick(10)
    bench.collector.answer = lambda window, checkpoint: broken(window, plain(window, checkpoint))[fault]
    bench.tick(25)
    bench.collector.answer = plain
    bench.tick(40)
    first, failed, last = bench.told()
    assert failed[:3] == (10, 25, "failed")
    assert failed[3].startswith("collector error: ")
    assert fault in failed[3]
    assert (first[2], last[2]) == ("complete", "complete")
    assert bench.spool.begin("fake/one", 0).checkpoint == {"n": 2}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("no idea\nat all"), "collector error: RuntimeError: no idea"),
        (
            WriteRefused("POST http://u:pw@host/ refused"),
            "collector error: WriteRefused: POST http://***@host/ refused",
        ),
        (RuntimeError("x" * 1_000), f"collector error: RuntimeError: {'x' * 186}"),
    ],
)
def test_an_exception_costs_one_collection(
    bench: Bench, error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    fails_once(bench, error)
    assert bench.told() == [(0, 10, "failed", reason), (10, 25, "complete", "")]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_an_exception_with_half_a_character_can_be_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    # The log is off: not every report of a test run can carry half a character.
    with caplog.at_level(logging.CRITICAL, logger="agent.runner"):
        fails_once(bench, RuntimeError("odd \ud800"))
    assert bench.told()[0] == (0, 10, "failed", "collector error: RuntimeError: odd ?")


def fails_once(bench: Bench, error: Exception) -> None:
    """One collection that raises, and a good one."""

    def answer(window: Window, checkpoint: Checkpoint) -> Readings:
        raise error

    bench.collector.answer = answer
    bench.tick(10)
    bench.collector.answer = plain
    bench.tick(25)


def test_a_spool_that_breaks_does_not_end_the_lane(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.tick(10)
    bench.spool.close()
    bench.tick(25)
    bench.tick(40)
    assert bench.lane.problem is not None
    assert caplog.text.count("nothing is stored") == 1


def test_events_of_nobody_make_the_window_partial(bench: Bench) -> None:
    rows: list[dict[str, object]] = [{"subject": "acme"}, {"subject": ""}, {"subject": "not a name"}]
    bench.collector.answer = lambda window, _: readings(window, events=events(rows))
    bench.tick(10)
    assert bench.told() == [(0, 10, "partial", "2 events matched no tag rule")]
    assert bench.count("events_total") == 3
    assert bench.count("events_unassigned_total") == 2


def test_dead_letters_are_kept(bench: Bench) -> None:
    letter = DeadLetter("fake/one", "log:1", "no time", '{"id": 1}')
    bench.collector.answer = lambda window, _: replace(readings(window), dead_letters=(letter,))
    bench.tick(10)
    (batch,) = bench.spool.after(0, 10)
    assert unsealed(batch).dead_letters.to_pylist() == [
        {"source": "fake/one", "place": "log:1", "reason": "no time", "document": '{"id": 1}'}
    ]
    assert bench.count("dead_letters_total") == 1


STEPS = st.lists(
    st.tuples(st.integers(-20, 100), st.sampled_from(["", "restart", "raise", "missed", "fill", "drain"])), max_size=25
)


@settings(max_examples=60)
@given(steps=STEPS)
def test_coverage_tiles_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool") / "s", agent="edge-1", bytes_max=1 << 20)
    bench = Bench(spool, ScriptedCollector(plain))
    at_s = 0
    for seconds, act in steps:
        at_s = max(0, at_s + seconds)
        bench.collector.answer = _raise if act == "raise" else plain
        if act == "restart":
            bench.restart()
        elif act == "missed":
            bench.lane.missed(coverage.TICK_MISSED)
        elif act in ("fill", "drain"):
            spool._bytes_max = 0 if act == "fill" else 1 << 20
        bench.tick(at_s)
    told = bench.told()
    end_s = (spool.begin("fake/one", 0).window_end_us - START_US) / SECOND
    edges = [0.0, *(part[1] for part in told)]
    assert [part[0] for part in told] == edges[:-1]
    assert edges[-1] == end_s
    assert all(before < after for before, after in pairwise(edges))
    spool.close()


def _raise(window: Window, checkpoint: Checkpoint) -> Readings:
    raise RuntimeError("broken")
